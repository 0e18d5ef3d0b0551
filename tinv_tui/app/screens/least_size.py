"""Below 80×24 nothing is shown but one line, and no key means anything: nobody would see what it does."""

from __future__ import annotations

from typing import Any

from textual import events, on
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import Widget

_WIDTH, _HEIGHT = 80, 24
TINY = "-tiny"
"""The class that a screen wears there; the stylesheet hides all that it holds."""


def is_tiny(size: Size) -> bool:
    return size.width < _WIDTH or size.height < _HEIGHT


def too_small(size: Size) -> str:
    return f"tinv-tui needs {_WIDTH}×{_HEIGHT}; this terminal is {size.width}×{size.height}. The run, if any, goes on."


class HiddenWhereTiny(Screen[Any]):
    """A screen, or a dialog over one, that hides there, and has its focus back when there is room again."""

    _focused_before: Widget | None = None

    @on(events.Resize)
    def _hide_where_tiny(self, event: events.Resize) -> None:
        tiny = is_tiny(event.size)
        if tiny and self.focused is not None:
            self._focused_before = self.focused
            self.set_focus(None)
        elif not tiny and self._focused_before is not None:
            self.set_focus(self._focused_before if self.focused is None else self.focused)
            self._focused_before = None
        self.fit(event.size)

    def fit(self, size: Size) -> None:
        """Wear the classes of a terminal of this size."""
        self.set_class(is_tiny(size), TINY)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return False if self.has_class(TINY) else super().check_action(action, parameters)
