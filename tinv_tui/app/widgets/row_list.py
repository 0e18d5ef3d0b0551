"""A list one walks through with the arrow keys; of a move only the two rows it touches are painted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from tinv_tui.app.keys import bindings_of
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.wording import Line, cut_line


class RowList(Lines):
    """Rows with a cursor; scrolls by itself to keep the cursor in sight. ``empty`` says what to do where there are none."""

    can_focus = True
    BINDINGS: ClassVar[list[BindingType]] = bindings_of("list")

    @dataclass
    class Moved(Message):
        """The cursor stands on another row; ``index`` is None when the list is empty."""

        rows: RowList
        index: int | None

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, RowList.Moved) and message.rows is self.rows

        @property
        def control(self) -> RowList:
            return self.rows

    @dataclass
    class Chosen(Message):
        """Enter was pressed on a row."""

        rows: RowList
        index: int

        @property
        def control(self) -> RowList:
            return self.rows

    def __init__(self, *, id: str | None = None, classes: str | None = None, empty: Sequence[str] = ()) -> None:
        super().__init__(id=id, classes=classes)
        self.empty = tuple(empty)
        self.cursor = 0
        self._top = 0
        self._rows: tuple[Line, ...] = ()

    @property
    def plain(self) -> str:
        return "\n".join("".join(text for text, _ in line) for line in self._rows)

    def show(self, lines: Sequence[Line]) -> None:
        old, self._rows = self._rows, tuple(lines)
        self.cursor = min(self.cursor, max(0, len(self._rows) - 1))
        if len(old) != len(self._rows):
            self._scroll_to_cursor()
            self.refresh()
            return
        self._repaint(*(i for i, line in enumerate(self._rows) if old[i] != line))

    def render_line(self, y: int) -> Strip:
        index = self._top + y
        if not self._rows and y < len(self.empty):
            return self.strip((("  ", ""), (self.empty[y], "label")))
        if index >= len(self._rows):
            return self.strip(())
        here = index == self.cursor
        mark: Line = (("▸ " if here else "  ", "accent"),)
        under, more, width = "cursor" if here and self.has_focus else "", self._more_beyond(y), self.size.width
        strip = self.strip(cut_line(mark + self._rows[index], width - (2 if more else 0)), under=under)
        if more:
            return Strip.join([strip.crop(0, width - 1), self.strip(((more, "label"),), under=under).crop(0, 1)])
        return strip

    def _more_beyond(self, y: int) -> str:
        """A sign at the last row in sight, or the first, where the list goes on."""
        if y == self.size.height - 1 and self._top + y < len(self._rows) - 1:
            return "↓"
        return "↑" if y == 0 and self._top > 0 else ""

    def go_to(self, index: int) -> None:
        if not self._rows:
            return
        index = min(max(index, 0), len(self._rows) - 1)
        if index == self.cursor:
            return
        before, self.cursor = self.cursor, index
        if self._scroll_to_cursor():
            self.refresh()
        else:
            self._repaint(before, index)
        self.post_message(self.Moved(self, index))

    def action_move(self, by: int) -> None:
        self.go_to(self.cursor + by)

    def action_move_page(self, by: int) -> None:
        self.go_to(self.cursor + by * max(1, self.size.height - 1))

    def action_go(self, index: int) -> None:
        self.go_to(index if index >= 0 else len(self._rows) - 1)

    def action_choose(self) -> None:
        if self._rows:
            self.post_message(self.Chosen(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        self.go_to(self._top + event.y)

    def on_focus(self) -> None:
        self._repaint(self.cursor)

    def on_blur(self) -> None:
        self._repaint(self.cursor)

    def on_resize(self) -> None:
        if self._scroll_to_cursor():
            self.refresh()

    def _scroll_to_cursor(self) -> bool:
        height = max(1, self.size.height)
        top = min(max(self._top, self.cursor - height + 1), self.cursor)
        top = max(0, min(top, len(self._rows) - height))
        changed, self._top = top != self._top, top
        return changed

    def _repaint(self, *indices: int) -> None:
        rows = [i - self._top for i in indices if 0 <= i - self._top < self.size.height]
        if rows:
            self.refresh(*(Region(0, row, max(1, self.size.width), 1) for row in rows))
