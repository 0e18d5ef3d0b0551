"""Text that comes out of somebody's file, as it may be put on a terminal."""

from __future__ import annotations

import unicodedata

_COMMANDS = ("Cc", "Cs")
"""Unicode's categories of control characters, and of halves of characters, which no terminal's encoding can write."""


def printable(text: str) -> str:
    """The text on one line, without a character that a terminal would obey (escape sequences) or that cannot be written."""
    if text.isprintable():
        return text
    return "".join("�" if unicodedata.category(c) in _COMMANDS else c for c in text)
