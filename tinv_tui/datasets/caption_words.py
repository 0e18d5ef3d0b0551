"""How often captions say what: their tags, which commas part, and their single words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from tinv_tui.datasets.templates import split_tags

Kind = Literal["tag", "word"]
_WORD = re.compile(r"[^\W\d_](?:[^\W_]|['’-])*")


def said_in(caption: str, kind: Kind) -> set[str]:
    """The tags or words of a caption, in small letters, each once."""
    found = split_tags(caption) if kind == "tag" else _WORD.findall(caption)
    return {" ".join(text.lower().split()) for text in found} - {""}


def count_captions(captions: Iterable[str], kind: Kind) -> list[tuple[str, int]]:
    """Each tag or word with the number of captions that say it, most frequent first, then by name."""
    counts = Counter(text for caption in captions for text in said_in(caption, kind))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def likely_kind(captions: Iterable[str]) -> Kind:
    """Whether these captions are lists of tags, or sentences: tags where half of them hold two commas or more."""
    held = [caption.count(",") >= 2 for caption in captions if caption]
    return "tag" if held and 2 * sum(held) >= len(held) else "word"
