"""The same picture in fewer bytes. Textual writes each run of cells with its whole style before it and a reset behind."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.driver import Driver
from textual.geometry import Size

_STYLE = re.compile(r"\x1b\[([0-9;]*)m")
_ONLY_MOVES = re.compile(r"(?:\r\n|\x1b\[[0-9]+;[0-9]+H)*\Z")
_ATTRIBUTES = frozenset("1 2 3 4 5 6 7 8 9 21 51 52 53".split())
_SEEN_ON_BLANKS = _ATTRIBUTES - {"1", "2", "3"}
_KEPT = 512
"""More than the styles of a screen. Each cell of a picture has another, seen once: thousands of those take megabytes."""


class _Style(NamedTuple):
    """Parameters of SGR (ECMA-48): attributes that are on, the colour of text, and that of the ground ("": the default)."""

    attributes: frozenset[str]
    text: str
    ground: str


_PLAIN = _Style(frozenset(), "", "")
_UNKNOWN = _Style(frozenset("?"), "", "")


class Thinner:
    """Takes what is written to a terminal, in order, and gives back what has to be sent of it.

    A style is sent where something is printed in it, and only what differs from the one before. What it does not know, any
    sequence but styles and moves of the cursor, goes through as it is, behind the style that it was written in.
    """

    def __init__(self) -> None:
        self._sent, self._wanted = _UNKNOWN, _PLAIN

    def thin(self, written: str) -> str:
        """May leave the terminal in another style than was asked for, until the next text."""
        sent = list[str]()
        for place, piece in enumerate(_STYLE.split(written)):  # text, the parameters of a style, text, …
            if place % 2:
                wanted = _with(self._wanted, piece)
                if wanted is None:
                    sent += [_change(self._sent, self._wanted), f"\x1b[{piece}m"]
                    self._sent = self._wanted = _UNKNOWN
                else:
                    self._wanted = wanted
            elif piece:
                if not _ONLY_MOVES.match(piece) and not (
                    piece.isspace() and _alike_on_blanks(self._sent, self._wanted)
                ):
                    sent.append(_change(self._sent, self._wanted))
                    self._sent = self._wanted
                sent.append(piece)
        return "".join(sent)


@lru_cache(_KEPT)
def _with(style: _Style, parameters: str) -> _Style | None:
    """The style after one more sequence; None where that is not known."""
    attributes, text, ground = set(style.attributes), style.text, style.ground
    parts = (parameters or "0").split(";")
    while parts:
        part = parts.pop(0)
        if part in ("38", "48"):
            length = {"2": 4, "5": 2}.get(parts[0] if parts else "", 0)
            colour = ";".join([part, *parts[:length]])
            if not length or len(parts) < length:
                return None
            text, ground = (colour, ground) if part == "38" else (text, colour)
            del parts[:length]
        elif part in ("", "0"):
            attributes, text, ground = set(), "", ""
        elif part in _ATTRIBUTES:
            attributes.add(part)
        elif int(part) in (*range(30, 38), 39, *range(90, 98)):
            text = "" if part == "39" else part
        elif int(part) in (*range(40, 48), 49, *range(100, 108)):
            ground = "" if part == "49" else part
        else:
            return None
    return None if "?" in attributes else _Style(frozenset(attributes), text, ground)


@lru_cache(_KEPT)
def _change(old: _Style, new: _Style) -> str:
    """The shortest sequence that turns one style into another."""
    if old == new:
        return ""
    whole = ";".join([*sorted(new.attributes), *filter(None, (new.text, new.ground))])
    if not whole:
        return "\x1b[m"
    parts = sorted(new.attributes - old.attributes)
    if new.text != old.text:
        parts.append(new.text or "39")
    if new.ground != old.ground:
        parts.append(new.ground or "49")
    changed, anew = ";".join(parts), f"0;{whole}"
    return f"\x1b[{changed if old.attributes <= new.attributes and len(changed) <= len(anew) else anew}m"


def _alike_on_blanks(one: _Style, other: _Style) -> bool:
    return one.ground == other.ground and not (one.attributes | other.attributes) & (_SEEN_ON_BLANKS | {"?"})


class KnownRows:
    """The rows that the terminal shows, as far as they were sent whole: of a whole screen only others are sent again.

    Textual draws a screen two or three times while it opens, most often to the same picture.
    """

    def __init__(self) -> None:
        self._rows: dict[int, str] = {}
        self._size = Size()

    def changed(self, update: object, size: Size, console: Console) -> Any:
        """What to send in place of an update that goes to a terminal of this size."""
        if size != self._size:
            self._rows.clear()
            self._size = size
        if isinstance(update, ChopsUpdate):
            for row, _, _ in update.spans:
                self._rows.pop(row, None)
            return update
        if not isinstance(update, LayoutUpdate) or update.region != size.region:
            self._rows.clear()
            return update
        whole = {row: "".join(strip.render(console) for strip in line) for row, line in enumerate(update.strips)}
        others = {row: text for row, text in whole.items() if self._rows.get(row) != text}
        self._rows = whole
        return _RowsUpdate(others)

    def forget(self) -> None:
        """Something else may have been written on the terminal."""
        self._rows.clear()


class _RowsUpdate(CompositorUpdate):
    def __init__(self, rows: dict[int, str]) -> None:
        self._rows = rows

    def render_segments(self, console: Console) -> str:
        return "".join(f"{Control.move_to(0, row).segment.text}{text}" for row, text in self._rows.items())


def known_rows(driver: Driver | None) -> KnownRows:
    """Those of the terminal behind a :func:`thinned` driver; of another, as tests have it, none are known."""
    found = getattr(driver, "known_rows", None)
    return found if isinstance(found, KnownRows) else KnownRows()


def thinned(base: type[Driver]) -> type[Driver]:
    """A driver that sends the same in fewer bytes."""

    class ThinDriver(base):  # type: ignore[misc, valid-type]  # mypy does not know which one it is
        _thinner, known_rows = Thinner(), KnownRows()

        def start_application_mode(self) -> None:
            self._thinner, self.known_rows = Thinner(), KnownRows()  # another program may have had the terminal
            super().start_application_mode()

        def write(self, data: str) -> None:
            super().write(self._thinner.thin(data))

    return ThinDriver
