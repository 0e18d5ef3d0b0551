"""The form's own one-line controls: a choice among a few words, and a tick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.strip import Strip

from tinv_tui.app.keys import bindings_of
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.wording import Piece


class Choice(Lines):
    """``● one ○ two``: left and right choose. ``value`` is None where none of the words fits."""

    can_focus = True
    DEFAULT_CSS = "Choice { height: 1; width: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = bindings_of("choice")

    @dataclass
    class Changed(Message):
        choice: Choice
        value: str

        @property
        def control(self) -> Choice:
            return self.choice

    def __init__(self, options: Sequence[tuple[str, str]], *, id: str) -> None:
        """``options`` are (value, word to show)."""
        super().__init__(id=id)
        self._options = tuple(options)
        self._value: str | None = None
        self._rebuild()

    @property
    def value(self) -> str | None:
        return self._value

    def choose(self, value: str | None) -> None:
        """Show another value, without a message."""
        if value != self._value:
            self._value = value
            self._rebuild()

    def action_step(self, by: int) -> None:
        values = [value for value, _ in self._options]
        at = values.index(self._value) if self._value in values else -1 if by > 0 else len(values)
        self._pick(values[min(max(at + by, 0), len(values) - 1)] if by < 0 else values[(at + by) % len(values)])

    def on_click(self, event: events.Click) -> None:
        left = 0
        for value, word in self._options:
            left += len(word) + 3
            if event.x < left:
                self._pick(value)
                return

    def _pick(self, value: str) -> None:
        if value != self._value:
            self.choose(value)
            self.post_message(self.Changed(self, value))

    def _rebuild(self) -> None:
        pieces: list[Piece] = []
        for value, word in self._options:
            chosen = value == self._value
            pieces += [
                ("● " if chosen else "○ ", "accent" if chosen else "label"),
                (word, "value" if chosen else "label"),
                (" ", ""),
            ]
        self.show([tuple(pieces)])

    def render_line(self, y: int) -> Strip:
        line = self.lines[0] if y == 0 and self.lines else ()
        return self.strip(line, under="cursor" if self.has_focus else "")

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()


class Tick(Lines):
    """``[x] words``: space or enter changes it."""

    can_focus = True
    DEFAULT_CSS = "Tick { height: 1; width: auto; }"
    BINDINGS: ClassVar[list[BindingType]] = bindings_of("tick")

    @dataclass
    class Changed(Message):
        tick: Tick
        value: bool

        @property
        def control(self) -> Tick:
            return self.tick

    def __init__(self, words: str, *, id: str) -> None:
        super().__init__(id=id)
        self._words = words
        self._value = False
        self.styles.width = len(words) + 4
        self._rebuild()

    @property
    def value(self) -> bool:
        return self._value

    def set(self, value: bool) -> None:
        """Show another value, without a message."""
        self._value = value
        self._rebuild()

    def action_turn(self) -> None:
        self.set(not self._value)
        self.post_message(self.Changed(self, self._value))

    def on_click(self) -> None:
        self.action_turn()

    def _rebuild(self) -> None:
        box = ("[x]", "accent") if self._value else ("[ ]", "label")
        self.show([(box, (f" {self._words}", "value" if self._value else "label"))])

    def render_line(self, y: int) -> Strip:
        return self.strip(self.lines[0] if self.lines else (), under="cursor" if self.has_focus else "")

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()
