"""A question before something that costs or cannot be undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Button, Static

from tinv_tui.app.keys import bindings_of, hint, pair
from tinv_tui.app.screens.dialog import Dialog
from tinv_tui.app.widgets.dialog_keys import DialogKeys
from tinv_tui.printable import printable

CANCEL = ""


class ConfirmScreen(Dialog[str]):
    """Answers with the id of the button that was chosen, or with :data:`CANCEL`."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("confirm")

    def __init__(
        self, question: str, explanation: str, answers: Sequence[tuple[str, str]], *, id: str | None = None
    ) -> None:
        """``answers`` are (id, label); the first has the focus."""
        super().__init__(id=id)
        self._question = question
        self._explanation = explanation
        self._answers = answers

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(printable(self._question), classes="dialog-title", markup=False)
            yield Static("\n".join(map(printable, self._explanation.split("\n"))), classes="dialog-text", markup=False)
            for identity, label in self._answers:
                yield Button(label, id=identity, compact=True)
            yield Button("Cancel", id="cancel", compact=True)
            yield DialogKeys(pair("confirm.previous", "confirm.next", "choose"), "enter answer", hint("confirm.cancel"))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss(CANCEL if event.button.id == "cancel" else event.button.id or CANCEL)

    def action_cancel(self) -> None:
        self.dismiss(CANCEL)
