"""The roles that pieces of text have, each with a look of its own in the stylesheet."""

from __future__ import annotations

from rich.style import Style
from textual.color import Color
from textual.screen import Screen

_PREFIX = "role--"
ROLES = frozenset(
    _PREFIX + role
    for role in (
        "label",
        "value",
        "accent",
        "good",
        "warning",
        "bad",
        "faint",
        "chart",
        "chart-eval",
        "cursor",
        "key",
    )
)
"""Component classes of our screens: styled once for a screen, not once for each widget with lines, of which there are 60."""


def look_of(role: str, screen: Screen[object], ground: Color) -> Style:
    """Colours and weight of a role on a widget's ``ground``; a colour that the role does not have stays None."""
    styles = screen.get_component_styles(_PREFIX + role)
    has_ground, has_colour = styles.has_rule("background"), styles.has_rule("color")
    below = ground + styles.background if has_ground else ground
    look = Style(
        color=(below + styles.color).rich_color if has_colour else None,
        bgcolor=below.rich_color if has_ground else None,
    )
    return look + styles.text_style
