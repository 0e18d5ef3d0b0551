"""A list of values for a field of the form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from tinv_tui.app.widgets.row_list import RowList


class PickScreen(ModalScreen[str | None]):
    """Answers with the chosen value."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "cancel", "Cancel", show=False)]

    def __init__(self, title: str, values: Sequence[tuple[str, str]]) -> None:
        """``values`` are (value, what is said of it)."""
        super().__init__()
        self._title = title
        self._values = tuple(values)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._title, classes="dialog-title", markup=False)
            yield RowList(id="values")
            yield Static("↑↓ choose   enter take   esc cancel", classes="dialog-keys", markup=False)

    def on_mount(self) -> None:
        rows = self.query_one("#values", RowList)
        width = max(len(value) for value, _ in self._values)
        rows.styles.height = min(len(self._values), 12)
        rows.show([((f"{value:<{width}}", "value"), (f"  {said}", "label")) for value, said in self._values])
        rows.focus()

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        event.stop()
        self.dismiss(self._values[event.index][0])

    def action_cancel(self) -> None:
        self.dismiss(None)
