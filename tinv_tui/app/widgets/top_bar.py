"""The top line: which screen this is, what the machine does, and its name."""

from __future__ import annotations

import socket

from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.wording import Piece

SCREENS = (("train", "1 Train"), ("runs", "2 Runs"))


class TopBar(Lines):
    DEFAULT_CSS = "TopBar { height: 1; dock: top; }"

    def __init__(self, current: str) -> None:
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
        left: list[Piece] = [(" tinv-tui ", "accent")]
        for name, label in SCREENS:
            left.append((f" [{label}]", "value") if name == self._current else (f"  {label} ", "label"))
        host = socket.gethostname()[:16]
        room = self.size.width - sum(len(text) for text, _ in left)
        right = f"{self._meter}   {host} " if self._meter else f"{host} "
        if len(right) > room - 2:
            right = f"{self._meter} "
        self.show([(*left, (" " * max(0, room - len(right)), ""), (right, "label"))])
