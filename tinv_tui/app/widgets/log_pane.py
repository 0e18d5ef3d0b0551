"""What happened, newest at the bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from tinv_tui.app.keys import bindings_of
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.pane import Pane
from tinv_tui.app.wording import Line
from tinv_tui.printable import wrapped

if TYPE_CHECKING:
    from tinv_tui.runs.history import LogLine

_ROLES = {"plain": "", "good": "good", "warning": "warning", "bad": "bad"}
_INDENT = 9


class LogPane(Pane):
    """Follows the newest line; up and down look back."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("log")

    def __init__(self) -> None:
        super().__init__("Log", id="log-pane", can_focus=True)
        self._entries: tuple[LogLine, ...] = ()
        self._rows: list[Line] = []
        self._width = 0
        self._behind = 0

    def compose(self) -> ComposeResult:
        yield Lines(id="log-lines")

    @property
    def text(self) -> Lines:
        return self.query_one("#log-lines", Lines)

    def show(self, entries: Sequence[LogLine]) -> None:
        """Replace the lines, which are in the order of time."""
        entries = tuple(entries)
        if entries != self._entries:
            self._entries = entries
            self._rewrap()

    def on_resize(self) -> None:
        self._rewrap()

    def action_back(self, rows: int) -> None:
        self._behind = min(max(self._behind + rows, 0), max(0, len(self._rows) - self.text.size.height))
        self._paint()

    def action_back_page(self, pages: int) -> None:
        self.action_back(pages * max(1, self.text.size.height - 1))

    def _rewrap(self) -> None:
        width = self.text.size.width
        if width < _INDENT + 10:
            return
        before = len(self._rows)
        self._rows = [row for entry in self._entries for row in _wrapped(entry, width)]
        if self._behind:  # stay where the reader looks
            self._behind = max(0, self._behind + len(self._rows) - before)
        self._paint()

    def _paint(self) -> None:
        end = len(self._rows) - self._behind
        self.text.show(self._rows[max(0, end - self.text.size.height) : end])
        self.set_title("Log", f"{self._behind} newer below" if self._behind else "")


def _wrapped(entry: LogLine, width: int) -> list[Line]:
    rows = wrapped(entry.text, width - _INDENT) or [""]
    role = _ROLES[entry.level]
    first: Line = ((f"{entry.at:%H:%M:%S} ", "label"), (rows[0], role))
    return [first, *[((" " * _INDENT, ""), (row, role)) for row in rows[1:]]]
