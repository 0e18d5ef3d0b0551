"""What the app says to whom nothing is there yet: three ways on, each by a key of its own."""

from __future__ import annotations

from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from tinv_tui.app.keys import bindings_of, hint, name_of, pair
from tinv_tui.app.screens.dialog import Dialog
from tinv_tui.app.widgets.dialog_keys import DialogKeys
from tinv_tui.app.widgets.row_list import RowList

Way = Literal["demo", "pictures", "run"]
_WAYS: tuple[tuple[Way, str, str], ...] = (
    ("demo", "see the demo", "a word learned in a minute, no GPU needed"),
    ("pictures", "open a folder", "your own pictures, for the form"),
    ("run", "pick up a run", "one that is kept somewhere else"),
)
_TEXT = "A few pictures teach Stable Diffusion a new word. Begin with:"


class WelcomeScreen(Dialog[Way | None]):
    """Answers with the way that was taken; None is the form."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("welcome")

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static("Welcome to tinv-tui", classes="dialog-title", markup=False)
            yield Static(_TEXT, classes="dialog-text", markup=False)
            yield RowList(id="ways")
            choose = pair("list.up", "list.down", "choose")
            yield DialogKeys(choose, hint("list.choose", "take"), hint("welcome.help"), hint("welcome.form"))

    def on_mount(self) -> None:
        rows = self.query_one(RowList)
        rows.styles.height = len(_WAYS)
        rows.show(
            [
                ((f"{name_of(f'welcome.{way}')}  ", "key"), (f"{label:<16}", "value"), (said, "label"))
                for way, label, said in _WAYS
            ]
        )
        rows.focus()

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        event.stop()
        self.dismiss(_WAYS[event.index][0])

    def action_take(self, way: Way) -> None:
        self.dismiss(way)

    def action_leave(self) -> None:
        self.dismiss(None)
