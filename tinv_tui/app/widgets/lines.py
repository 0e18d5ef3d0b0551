"""Lines of styled text of which only those that changed are painted again."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tinv_tui.app.roles import look_of
from tinv_tui.app.wording import Line
from tinv_tui.printable import printable


class Lines(Widget):
    """Draws a list of lines from the top; roles of their pieces get their look from the stylesheet."""

    DEFAULT_CSS = "Lines { height: 1fr; width: 1fr; }"
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: tuple[Line, ...] = ()
        self._styles: dict[str, Style] = {}

    @property
    def lines(self) -> tuple[Line, ...]:
        return self._lines

    @property
    def plain(self) -> str:
        """What is shown, as text."""
        return "\n".join("".join(text for text, _ in line) for line in self._lines)

    def show(self, lines: Sequence[Line]) -> None:
        """Replace the lines; rows that stay the same cost nothing."""
        old, self._lines = self._lines, tuple(lines)
        if len(old) != len(self._lines) and self.styles.height is not None and self.styles.height.is_auto:
            self.refresh(layout=True)
            return
        longest = max(len(old), len(self._lines))
        width = max(1, self.size.width)
        changed = [row for row in range(longest) if old[row : row + 1] != self._lines[row : row + 1]]
        if changed:
            self.refresh(*(Region(0, row, width, 1) for row in changed))

    def notify_style_update(self) -> None:
        self._styles.clear()
        super().notify_style_update()

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self._lines)

    def render_line(self, y: int) -> Strip:
        return self.strip(self._lines[y] if y < len(self._lines) else ())

    def strip(self, line: Line, *, under: str = "") -> Strip:
        """A line cut or filled to the widget's width; ``under`` is a role whose background all of it gets.

        Here and not where lines are made, so that no file name slips through: Textual hands escape sequences on.
        """
        base = self.rich_style
        if under:
            base += Style(bgcolor=self._style(under).bgcolor, reverse=self._style(under).reverse)
        segments = [
            Segment(printable(text), base + Style(color=s.color, bold=s.bold) if (s := self._style(role)) else base)
            for text, role in line
        ]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _style(self, role: str) -> Style:
        if not role:
            return Style.null()
        if role not in self._styles:
            self._styles[role] = look_of(role, self.screen, self.background_colors[1])
        return self._styles[role]
