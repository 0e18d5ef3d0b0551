"""Reads captions ("file words") beside pictures."""

from __future__ import annotations

import re
from pathlib import Path

_TAGGER_ESCAPE = re.compile(r"\\([()\[\]])")


def read_caption(picture: Path) -> str | None:
    """The text of ``<stem>.txt`` beside a picture, in any common encoding, as one tidy line; None when there is none."""
    try:
        raw = picture.with_suffix(".txt").read_bytes()
    except OSError:
        return None
    return tidy(_decode(raw))


def _decode(raw: bytes) -> str:
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if raw.startswith(mark):
            return raw.decode(encoding, errors="replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def tidy(text: str) -> str:
    """One line without a tagger's escapes: captions are plain text, no weights."""
    return " ".join(_TAGGER_ESCAPE.sub(r"\1", text).replace("\x00", "").split())
