"""No colours, where NO_COLOR asks for none: greys in their place, and of the terminal's own colours its default pair."""

from __future__ import annotations

from functools import lru_cache

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter


class Greys(LineFilter):
    """In themes of the terminal's own colours Textual's makes black text on black: nobody knows what those colours are.

    What has one of them as its ground is written in reverse there.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(text, style and _in_grey(style), None) for text, style, _ in segments]


@lru_cache(1024)
def _in_grey(style: Style) -> Style:
    is_marked = style.bgcolor is not None and style.bgcolor.is_system_defined and not style.bgcolor.is_default
    reverse = Style(reverse=True) if is_marked or style.reverse else Style()
    return style.without_color + Style.from_color(_grey(style.color), _grey(style.bgcolor)) + reverse


def _grey(colour: RichColor | None) -> RichColor | None:
    if colour is None or colour.is_system_defined:
        return colour and RichColor.default()
    return Color.from_rich_color(colour).monochrome.rich_color
