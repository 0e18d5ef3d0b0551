"""What has changed in the form since the last run."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from tinv_tui.app.form_values import Change
from tinv_tui.app.keys import bindings_of, hint, pair
from tinv_tui.app.last_run import SinceLastRun
from tinv_tui.app.screens.dialog import Dialog
from tinv_tui.app.widgets.dialog_keys import DialogKeys
from tinv_tui.app.widgets.row_list import RowList
from tinv_tui.app.wording import Line, cut
from tinv_tui.printable import many

_MOST_ROWS = 14


class ChangedScreen(Dialog[str | None]):
    """Answers with the key of the field that shall say again what it said then."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("changed")

    def __init__(self, since: SinceLastRun) -> None:
        super().__init__()
        self._since = since

    def compose(self) -> ComposeResult:
        since = self._since
        count = len(since.changes)
        fields = f"{many(count, 'field')} changed" if count else "Nothing has changed"
        with Vertical(classes="dialog", id="changed-dialog"):
            yield Static(f"{fields} since {since.name}", classes="dialog-title", markup=False)
            yield RowList(id="changed")
            choose = (pair("list.up", "list.down", "choose"), hint("list.choose", "put the old value back"))
            yield DialogKeys(*(choose if count else ()), hint("changed.close"))

    @property
    def rows(self) -> RowList:
        return self.query_one("#changed", RowList)

    def on_mount(self) -> None:
        self.rows.styles.height = min(max(1, len(self._since.changes)), _MOST_ROWS)
        self.rows.focus()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        self.rows.show([change_line(change, max(40, self.rows.size.width - 2)) for change in self._since.changes])

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        event.stop()
        self.dismiss(self._since.changes[event.index].key)

    def action_cancel(self) -> None:
        self.dismiss(None)


def change_line(change: Change, width: int) -> Line:
    """``Rate  0.005 → 0.001``; of two long values each gets half the room, of paths the end, which tells more."""
    label = f"{cut(change.label, 26)}  "
    room = width - len(label) - 3
    old_room = max(room // 2, room - len(change.new))
    old = _cut_front(change.old, old_room)
    return ((label, ""), (f"{old} → ", "label"), (_cut_front(change.new, room - len(old)), "value"))


def _cut_front(text: str, width: int) -> str:
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :] if "/" in text else cut(text, width)
