"""A value to choose for a field of a form."""

from __future__ import annotations

from dataclasses import dataclass

FROM_PICTURE = "from a picture"
"""The offer of a preview's prompt that asks for a PNG instead."""


@dataclass(frozen=True)
class Offer:
    """A value to choose, and what is said of it; with a ``reason`` why it cannot be chosen."""

    value: str
    said: str = ""
    reason: str = ""
