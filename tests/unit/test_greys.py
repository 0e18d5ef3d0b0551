"""Without colours, in a theme of the terminal's own: nothing is black on black."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from tinv_tui.app.greys import Greys


def test_what_has_a_colour_of_the_terminal_as_its_ground_is_written_in_reverse() -> None:
    told = [Segment("mark", Style.parse("black on blue")), Segment("text", Style.parse("red on default"))]
    mark, text = (segment.style for segment in Greys().apply(told, Color(0, 0, 0)))
    assert mark is not None
    assert text is not None
    assert (mark.reverse, bool(text.reverse)) == (True, False)
    assert {colour.is_default for style in (mark, text) for colour in (style.color, style.bgcolor) if colour} == {True}
