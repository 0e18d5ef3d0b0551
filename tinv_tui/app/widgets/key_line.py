"""The bottom line: the keys that mean something right now."""

from __future__ import annotations

from tinv_tui.app.keys import LEAVE, foot_keys
from tinv_tui.app.modes import ModeName
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.pane import Pane
from tinv_tui.app.wording import Piece


class KeyLine(Lines):
    """As many keys as fit, most needed first; help and leave are always among them."""

    DEFAULT_CSS = "KeyLine { height: 1; dock: bottom; }"
    _ALWAYS = 3

    def __init__(self, mode: ModeName) -> None:
        super().__init__(id="key-line")
        self._mode = mode
        self._state = (False, False, False)
        self._pane: str | None = None
        self._idle = frozenset[str]()

    def tell(self, *, typing: bool, live: bool, paused: bool, pane: str | None = None) -> None:
        """``pane`` is the one that has the focus."""
        self._state, self._pane = (typing, live, paused), pane
        self._idle = frozenset[str]().union(*(shown.idle_keys for shown in self.screen.query(Pane)))
        self._rebuild()

    def on_resize(self) -> None:
        self._rebuild()

    def _rebuild(self) -> None:
        typing, live, paused = self._state
        keys = foot_keys(self._mode, typing=typing, live=live, paused=paused, pane=self._pane, idle=self._idle)
        if _length(keys) > self.size.width:
            keys = [(key, "leave" if label == LEAVE else label) for key, label in keys]
        while len(keys) > self._ALWAYS and _length(keys) > self.size.width:
            del keys[-self._ALWAYS - 1]
        pieces: list[Piece] = []
        for key, label in keys:
            pieces += [(" ", ""), (key, "key"), (f" {label} ", "label")]
        self.show([tuple(pieces)])


def _length(keys: list[tuple[str, str]]) -> int:
    return sum(len(key) + len(label) + 3 for key, label in keys)
