"""A framed part of a screen with its title in the frame."""

from __future__ import annotations

from textual.containers import Vertical
from textual.content import Content

from tinv_tui.printable import printable


class Pane(Vertical):
    """Titles are plain text: brackets in a path are no markup."""

    DEFAULT_CSS = "Pane { border: round $panel; padding: 0 1; }"

    def __init__(self, title: str, *, id: str, can_focus: bool = False) -> None:
        super().__init__(id=id)
        self.can_focus = can_focus
        self._frame = ("", "")
        self.set_title(title)

    @property
    def frame(self) -> tuple[str, str]:
        """Title and subtitle."""
        return self._frame

    @property
    def idle_keys(self) -> frozenset[str]:
        """The ids of keys that would do nothing now, as there is nothing to do it with: they are not offered."""
        return frozenset()

    def set_title(self, title: str, subtitle: str = "") -> None:
        """Change the words in the frame. New words repaint the whole pane, so they are for what changes rarely."""
        if (title, subtitle) == self._frame:
            return
        self._frame = (title, subtitle)
        title, subtitle = printable(title), printable(subtitle)
        self.border_title = Content(title).markup if title else None
        self.border_subtitle = Content(subtitle).markup if subtitle else None
