"""Text that comes out of somebody's file, as it may be put on a terminal, and the room it takes there."""

from __future__ import annotations

import unicodedata

from rich.cells import cell_len, set_cell_size

_COMMANDS = ("Cc", "Cs")
"""Unicode's categories of control characters, and of halves of characters, which no terminal's encoding can write."""


def printable(text: str) -> str:
    """The text on one line, without a character that a terminal would obey (escape sequences) or that cannot be written."""
    if text.isprintable():
        return text
    return "".join("�" if unicodedata.category(c) in _COMMANDS else c for c in text)


def cells(text: str) -> int:
    """How many cells of a terminal a text takes: of some writings, two for each character."""
    return len(text) if text.isascii() else cell_len(text)


def cut(text: str, width: int) -> str:
    """The text, shortened to ``width`` cells with an ellipsis at its end."""
    return text if cells(text) <= width else set_cell_size(text, max(0, width - 1)) + "…"


def column(text: str, width: int) -> str:
    """The text in exactly ``width`` cells: cut or filled up."""
    text = cut(text, width)
    return text + " " * (width - cells(text))


def many(number: int, noun: str) -> str:
    """``1 picture``, ``3 pictures``."""
    return f"{number} {noun}{'s'[: number != 1]}"
