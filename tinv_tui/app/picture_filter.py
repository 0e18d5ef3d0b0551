"""Which pictures of the list a filter keeps: by name, caption, or what is said of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tinv_tui.datasets.findings import Finding
    from tinv_tui.datasets.pictures import PictureEntry

_EXACT = re.compile(r"(tag|word):\s*(.*)", re.IGNORECASE)


def exact(kind: Literal["tag", "word"], text: str) -> str:
    """The filter that keeps the pictures whose captions have this tag, or this word."""
    return f"{kind}:{text}"


def keeps(text: str, picture: PictureEntry, findings: Sequence[Finding], *, is_left_out: bool) -> bool:
    """Whether a picture has all words of the filter in its name, its caption or what is said of it.

    ``tag:long hair`` keeps what has exactly this part between commas, ``word:cat`` what has this word.
    """
    found = _EXACT.match(text.strip())
    if found is not None:
        from tinv_tui.datasets.caption_words import said_in

        kind = cast("Literal['tag', 'word']", found[1].lower())
        return " ".join(found[2].lower().split()) in said_in(picture.caption or "", kind)
    said = [
        picture.path.name,
        picture.caption or "no caption",
        picture.problem or "",
        "left out" if is_left_out else "",
    ]
    said += [f"{finding.kind.mark} {finding.code.replace('-', ' ')}" for finding in findings]
    searched = " ".join(said).lower()
    return all(word in searched for word in text.lower().split())
