"""Makes a caption true of the mirror image."""

from __future__ import annotations

import re

_SIDE = re.compile(r"(?<![^\W_])(left|right)(?=(?:s|most|wards?|y|ies|ie)?(?![^\W_]))", re.IGNORECASE)


def mirror_words(caption: str) -> str:
    """The caption with left and right swapped, as words and in "leftmost", "left-handed" and the like; case is kept."""
    return _SIDE.sub(lambda found: _as(found[0], "right" if found[0].lower() == "left" else "left"), caption)


def _as(model: str, word: str) -> str:
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word
