"""Where text is typed: a line of the form, or a page of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import events
from textual.binding import BindingType
from textual.widgets import Input, TextArea
from textual.widgets.input import Selection

from tinv_tui.app.keys import bindings_of


class _EditsAtOnce:
    """Does what its own keys say before it takes the next letter.

    Textual has a key that is no letter go up to the app first. Over a slow link keys come in bursts, and the letters behind
    a backspace or a ctrl+u would be there before it.
    """

    async def _on_key(self: Any, event: events.Key) -> None:
        own = self._bindings.copy()
        own.apply_keymap(self.app._keymap)
        for binding in own.key_to_bindings.get(event.key, ()):
            event.stop()
            event.prevent_default()
            if await self.app.run_action(binding.action, self):
                return


class TextPage(_EditsAtOnce, TextArea):
    """Text of several lines, whose cursor stands still: a blinking one costs 2 KB/s over the link."""

    def __init__(self, text: str, *, id: str) -> None:
        super().__init__(text, id=id, soft_wrap=True, tab_behavior="focus", compact=True)
        self.cursor_blink = False


class TextField(_EditsAtOnce, Input):
    """A compact input whose cursor stands still: a blinking one costs 2 KB/s over the link."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("field")

    def __init__(self, *, id: str, placeholder: str = "") -> None:
        super().__init__(id=id, placeholder=placeholder, select_on_focus=False)
        # Set one by one, as Textual does, each of these would have the field styled once more.
        self.set_reactive(Input.compact, True)
        self.set_class(True, "-textual-compact", "-valid", update=False)
        self.cursor_blink = False

    def say(self, text: str) -> None:
        """Another text, which one goes on from at its end."""
        self.value = text
        if self.has_focus:
            self.cursor_position = len(text)
        else:  # in silence: a field that has not the focus shows its beginning, and no cursor
            self.set_reactive(Input.selection, Selection.cursor(len(text)))

    def _on_paste(self, event: events.Paste) -> None:
        """A pasted path may be quoted, or come as a file:// address, with a line end behind it."""
        text = event.text.strip().splitlines()[0] if event.text.strip() else ""
        if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
            text = text[1:-1]
        if text:
            self.insert_text_at_cursor(text.removeprefix("file://"))
        event.stop()
        event.prevent_default()
