"""Text that comes out of somebody's file, as it may be put on a terminal, and the room it takes there."""

from __future__ import annotations

import textwrap
import unicodedata

from rich.cells import cell_len, set_cell_size

_COMMANDS = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, of halves of characters, which no terminal's encoding can write, and of ends
of lines."""
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They turn the order of what follows: "gpj.exe" shows as "exe.jpg", and so does the rest of a line of ours."""


def printable(text: str) -> str:
    """The text on one line, without a character that a terminal would obey (escape sequences) or that cannot be written."""
    if text.isprintable():
        return text
    return "".join("�" if unicodedata.category(c) in _COMMANDS or c in _TURNS else c for c in text)


def cells(text: str) -> int:
    """How many cells of a terminal a text takes: of some writings, two for each character."""
    return len(text) if text.isascii() else cell_len(text)


def cut(text: str, width: int) -> str:
    """The text, shortened to ``width`` cells with an ellipsis at its end."""
    return text if cells(text) <= width else set_cell_size(text, max(0, width - 1)) + "…"


def column(text: str, width: int) -> str:
    """The text in exactly ``width`` cells: cut or filled up."""
    return filled(cut(text, width), width)


def filled(text: str, width: int) -> str:
    """The text in at least so many cells: filled up, never cut."""
    return text + " " * (width - cells(text))


def wrapped(text: str, width: int, most: int | None = None, *, break_on_hyphens: bool = True) -> list[str]:
    """The text in lines of at most so many cells; where ``most`` lines are too few for it, the last ends with an ellipsis."""
    wrapper = _Wrapper(max(2, width), max_lines=most, placeholder=" …", break_on_hyphens=break_on_hyphens)
    return [str(line) for line in wrapper.wrap(text)]


class _InCells(str):
    """As long as it is wide."""

    __slots__ = ()

    def __len__(self) -> int:
        return cells(str(self))


class _Wrapper(textwrap.TextWrapper):
    """Python's own, which counts characters, told to count cells."""

    def _split(self, text: str) -> list[str]:
        return [_InCells(chunk) for chunk in super()._split(text)]

    def _handle_long_word(self, reversed_chunks: list[str], cur_line: list[str], cur_len: int, width: int) -> None:
        word, room, end = str(reversed_chunks[-1]), width - cur_len, 0
        while end < len(word) and cells(word[: end + 1]) <= room:
            end += 1
        if not end and cur_line:
            return  # it begins the next line
        hyphen = word.rfind("-", 0, end) if self.break_on_hyphens else -1
        if hyphen > 0 and word[:hyphen].strip("-"):
            end = hyphen + 1
        cur_line.append(_InCells(word[: max(1, end)]))
        reversed_chunks[-1] = _InCells(word[max(1, end) :])


def many(number: int, noun: str) -> str:
    """``1 picture``, ``3 pictures``."""
    return f"{number} {noun}{'s'[: number != 1]}"
