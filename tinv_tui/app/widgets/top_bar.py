"""The top line: which screen this is, what the machine does, and its name."""

from __future__ import annotations

import socket

from tinv_tui.app.modes import MODES, ModeName
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.wording import Piece


class TopBar(Lines):
    """Where the names of all screens do not fit, the others are told by their keys alone."""

    DEFAULT_CSS = "TopBar { height: 1; dock: top; }"

    def __init__(self, current: ModeName) -> None:
        super().__init__(id="top-bar")
        self._current = current
        self._meter = ""

    def tell(self, meter: str) -> None:
        """``meter`` is a few words on GPU or CPU."""
        self._meter = meter
        self._rebuild()

    def on_resize(self) -> None:
        self._rebuild()

    def _rebuild(self) -> None:
        host = socket.gethostname()[:16]
        right = f"{self._meter}   {host} " if self._meter else f"{host} "
        left = self._screens(named=True)
        if _length(left) + len(right) + 2 > self.size.width:
            left, right = self._screens(named=False), f"{self._meter} "
        room = self.size.width - _length(left)
        self.show([(*left, (" " * max(0, room - len(right)), ""), (right, "label"))])

    def _screens(self, *, named: bool) -> list[Piece]:
        pieces: list[Piece] = [(" tinv-tui ", "accent")]
        for mode in MODES:
            label = f"{mode.number} {mode.label}"
            if mode.name == self._current:
                pieces.append((f" [{label}]", "value"))
            else:
                pieces.append((f"  {label} " if named else f"  {mode.number}", "label"))
        return pieces


def _length(pieces: list[Piece]) -> int:
    return sum(len(text) for text, _ in pieces)
