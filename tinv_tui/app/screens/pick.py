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

_WIDEST_VALUE = 36


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
        shown = [_tail(value) for value, _ in self._values]
        width = max(map(len, shown))
        rows.styles.height = min(len(self._values), 12)
        rows.show(
            [
                ((f"{value:<{width}}", "value"), (f"  {said}", "label"))
                for value, (_, said) in zip(shown, self._values, strict=True)
            ]
        )
        rows.focus()

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        event.stop()
        self.dismiss(self._values[event.index][0])

    def action_cancel(self) -> None:
        self.dismiss(None)


def _tail(value: str) -> str:
    """Paths differ in their last parts: those are shown, so that what is said of them has room beside."""
    return value if len(value) <= _WIDEST_VALUE else "…" + value[1 - _WIDEST_VALUE :]
