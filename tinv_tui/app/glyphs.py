"""Plain ASCII for terminals that cannot draw more: every cell keeps its place, and a picture becomes shading."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from rich.cells import cell_len
from rich.segment import Segment
from textual.app import App
from textual.color import Color
from textual.filter import LineFilter

ASCII = "-ascii"
"""The app's class where it draws in ASCII alone."""
SHADES = " .:-=+*#%@"
"""From nothing to a full cell."""

_GLYPHS = {
    "=": "━═╸▅",
    "-": "╺─╌┄╴╶▔▄–—",
    "|": "│┃║▎▍▌▋▊▉▏▐▕",
    "+": "╭╮╰╯┌┐└┘├┤┬┴┼╔╗╚╝▆✔✓±",
    "_": "▁",
    ":": "▃▒",
    "*": "▇●◉•◆",
    "#": "█■",
    "%": "▓◐",
    '"': "▀“”„",
    "'": "°‘’",
    ">": "▸▹▶►→≥",
    "<": "◂◀←≤«",
    "v": "▾▼↓",
    "^": "▴▲↑",
    "o": "○◦",
    "~": "◌≈",
    "x": "✖✗×",
    ".": "▂░□·…",
    "?": "�",
    " ": "\u00a0²",
    "> ": "🔎",
}
_TABLE = {ord(glyph): plain for plain, glyphs in _GLYPHS.items() for glyph in glyphs}
_CUT_FRONT, _WITH_ROOM = re.compile(r"(?<!\S)…(?=[\w/])"), re.compile("…  (?= )")
"""A text cut at its front; and an ellipsis with blanks after it, whose room three dots may take."""
_DOTS = {0: " ", 1: ".", 2: ".", 3: ":", 4: ":", 5: "+", 6: "+", 7: "#", 8: "#"}


class AsciiGlyphs(LineFilter):
    """Puts in place of each character one that is as wide: the last thing that is done before it is sent."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [s if s.control or s.text.isascii() else Segment(in_ascii(s.text), s.style) for s in segments]


def draws_ascii(app: App[Any]) -> bool:
    return app.has_class(ASCII)


@lru_cache(4096)
def in_ascii(text: str) -> str:
    text = _WITH_ROOM.sub("...", _CUT_FRONT.sub("<", text))
    return "".join(c if c.isascii() else _plain(c) for c in text.translate(_TABLE))


def _plain(character: str) -> str:
    if 0x2800 <= ord(character) <= 0x28FF:  # Braille: as dense as it has dots
        return _DOTS[(ord(character) - 0x2800).bit_count()]
    first = unicodedata.normalize("NFKD", character)[:1]
    width = cell_len(character)
    return first if first.isascii() and width == 1 else "?" * width


def needs_ascii(environment: Mapping[str, str]) -> bool:
    """Whether the locale says that the terminal does not take UTF-8.

    One that says nothing, as in most containers, is taken for one that does.
    """
    locale = next((value for key in ("LC_ALL", "LC_CTYPE", "LANG") if (value := environment.get(key))), "")
    return bool(locale) and locale.lower().replace("-", "").rpartition(".")[2].partition("@")[0] != "utf8"
