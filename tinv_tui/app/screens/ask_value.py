"""Asks for one value, and says at every letter whether it can be taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from tinv_tui.app.form_values import Mark
from tinv_tui.app.keys import bindings_of, hint
from tinv_tui.app.screens.dialog import Dialog
from tinv_tui.app.widgets.dialog_keys import DialogKeys
from tinv_tui.app.widgets.text_field import TextField


class AskValueScreen(Dialog[str | None]):
    """Answers with the text, in which ``look`` found no fault; None when it was left."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("value")

    def __init__(self, title: str, explanation: str, suggestion: str, look: Callable[[str], tuple[Mark, str]]) -> None:
        """``look`` says what there is to say of a text: ✖ and what is wrong with it, else a note, or nothing."""
        super().__init__()
        self._title = title
        self._explanation = explanation
        self._suggestion = suggestion
        self._look = look

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._title, classes="dialog-title", markup=False)
            yield Static(self._explanation, classes="dialog-text", markup=False)
            yield TextField(id="value")
            yield Static("", id="value-said", markup=False)
            yield DialogKeys("enter take", hint("value.cancel"))

    def on_mount(self) -> None:
        field = self.query_one("#value", TextField)
        field.value = self._suggestion
        field.focus()
        field.select_all()  # what is typed takes its place; an arrow keeps it

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        mark, said = self._look(event.value)
        line = self.query_one("#value-said", Static)
        line.update(f"{mark} {said}" if said else "")
        line.set_class(mark in ("✖", "!"), "-warning")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._look(event.value)[0] == "✖":
            self.app.bell()
        else:
            self.dismiss(event.value)

    def action_cancel(self) -> None:
        self.dismiss(None)
