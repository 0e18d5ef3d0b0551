"""A one-line text field of the form."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.widgets import Input


class TextField(Input):
    """A compact input whose cursor stands still: a blinking one costs 2 KB/s over the link."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", "Next field", show=False),
        Binding("up", "app.focus_previous", "Previous field", show=False),
    ]

    def __init__(self, *, id: str, placeholder: str = "") -> None:
        super().__init__(id=id, placeholder=placeholder, compact=True, select_on_focus=False)
        self.cursor_blink = False

    def _on_paste(self, event: events.Paste) -> None:
        """A pasted path may be quoted, or come as a file:// address, with a line end behind it."""
        text = event.text.strip().splitlines()[0] if event.text.strip() else ""
        if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
            text = text[1:-1]
        if text:
            self.insert_text_at_cursor(text.removeprefix("file://"))
        event.stop()
        event.prevent_default()
