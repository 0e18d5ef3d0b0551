"""The line of keys at the bottom of a dialog."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from tinv_tui.app.keys import fitting


class DialogKeys(Widget):
    """As many keys as fit, most needed first; the last one leaves, and is always there."""

    DEFAULT_CSS = "DialogKeys { height: auto; width: 100%; }"

    def __init__(self, *hints: str, id: str | None = None) -> None:
        super().__init__(id=id, classes="dialog-keys")
        self._hints = hints

    def show(self, *hints: str) -> None:
        self._hints = hints
        self.refresh()

    def render(self) -> Content:
        return Content(fitting(self._hints, self.size.width))
