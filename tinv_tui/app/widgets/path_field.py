"""A text field for a path, which the rest of what one types stands behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.suggester import Suggester

from tinv_tui.app.path_completion import Takes, completion_of
from tinv_tui.app.widgets.text_field import TextField
from tinv_tui.app.wording import cut_path
from tinv_tui.printable import cells, column, printable


class PathField(TextField):
    """Completes what is typed: right or end takes the rest, dim behind the cursor. Tab goes on to the next field, as ever."""

    @dataclass
    class Matched(Message):
        """What goes on from the text has been looked up; ``said`` is "" where there is nothing to say."""

        field: PathField
        said: str

        @property
        def control(self) -> PathField:
            return self.field

    def __init__(self, takes: Takes, *, id: str, placeholder: str = "") -> None:
        super().__init__(id=id, placeholder=placeholder)
        self.takes = takes
        self.suggester = _Rest(self)

    def action_end(self, select: bool = False) -> None:
        """To the end; where the cursor is there already, take the rest."""
        if self.cursor_at_end and not select:
            self.action_cursor_right()
        else:
            super().action_end(select)

    def render_line(self, y: int) -> Strip:
        """Of a path that is too long, and not typed at, the end: that tells which one it is."""
        width = self.scrollable_content_region.width
        if y or self.has_focus or cells(self.value) <= width:
            return super().render_line(y)
        shown = Segment(column(printable(cut_path(self.value, width)), width), self.rich_style)
        return Strip([shown]).adjust_cell_length(self.size.width, self.rich_style)

    def on_blur(self, event: events.Blur) -> None:
        self.post_message(self.Matched(self, ""))


class _Rest(Suggester):
    """Looks for the rest of a path, for the field one types in only: filling in a form reads no folders."""

    def __init__(self, field: PathField) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._field = field

    async def get_suggestion(self, value: str) -> str | None:
        field = self._field
        if not field.has_focus:
            return None
        completion = await completion_of(value, field.takes, Path.cwd())
        if field.has_focus and field.value == value:
            field.post_message(field.Matched(field, completion.in_words))
        return completion.text
