"""A list of values for a field of a form."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from tinv_tui.app.keys import bindings_of, hint, pair
from tinv_tui.app.offer import Offer
from tinv_tui.app.screens.dialog import Dialog
from tinv_tui.app.widgets.dialog_keys import DialogKeys
from tinv_tui.app.widgets.row_list import RowList
from tinv_tui.app.wording import Line, cells, column

_WIDEST_VALUE = 36


class PickScreen(Dialog[str | None]):
    """Answers with the chosen value. One that cannot be chosen is greyed, with the reason beside it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("pick")

    def __init__(self, title: str, offers: Sequence[Offer], read: Callable[[], Sequence[Offer]]) -> None:
        """``read`` finds out what there is to choose now; called in a thread."""
        super().__init__()
        self._title = title
        self._offers = tuple(offers)
        self._read = read

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._title, classes="dialog-title", markup=False)
            yield RowList(id="values")
            yield DialogKeys(*self._hints)

    @property
    def _hints(self) -> tuple[str, ...]:
        choose, take = pair("list.up", "list.down", "choose"), hint("list.choose", "take")
        return choose, take, hint("pick.again"), hint("pick.cancel")

    @property
    def rows(self) -> RowList:
        return self.query_one("#values", RowList)

    def on_mount(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._show()
        self.rows.focus()

    def _lines(self) -> list[Line]:
        width = max((cells(_tail(offer.value)) for offer in self._offers), default=0)
        return [_line(offer, width) for offer in self._offers]

    def _show(self) -> None:
        lines = self._lines()
        self.rows.styles.height = min(max(1, len(lines)), 12)
        self.rows.show(lines)

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        event.stop()
        self._take(event.index)

    def _take(self, index: int) -> None:
        offer = self._offers[index]
        if offer.reason:
            self.app.bell()
        else:
            self.dismiss(offer.value)

    async def action_read_again(self) -> None:
        self._offers = tuple(await asyncio.to_thread(self._read))
        self._show()

    def action_cancel(self) -> None:
        self.dismiss(None)


def _line(offer: Offer, width: int) -> Line:
    value = column(_tail(offer.value), width)
    if offer.reason:
        return ((value, "faint"), (f"  ✖ {offer.reason}", "label"))
    return ((value, "value"), (f"  {offer.said}", "label"))


def _tail(value: str) -> str:
    """Paths differ in their last parts: those are shown, so that what is said of them has room beside."""
    return value if len(value) <= _WIDEST_VALUE else "…" + value[1 - _WIDEST_VALUE :]
