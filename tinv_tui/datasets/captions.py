"""Reads captions ("file words") beside pictures, or out of their file names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_COUNTER = re.compile(r"[-\d]+\s*")
_NUMBER = re.compile(r"\d{3}")
_LETTERS = re.compile(r"[^\W\d_](?:[^\W\d_]|['’-])*[,;.!]?")
_TAGGER_ESCAPE = re.compile(r"\\([()\[\]])")


def read_caption(picture: Path) -> str | None:
    """The text of ``<stem>.txt`` beside a picture, in any common encoding, as one tidy line; None when there is none."""
    try:
        raw = picture.with_suffix(".txt").read_bytes()
    except OSError:
        return None
    return tidy(_decode(raw))


@dataclass(frozen=True)
class NameCaptions:
    """How a file name becomes a caption where there is no caption file.

    A number in front goes: ``00003-1-a red fox`` says "a red fox". With a ``pattern`` all it finds is joined; its groups, if
    it has any. Without one the name is taken as it stands if it reads as words: at least two, and no number as cameras and
    phones give them. ``IMG_1234`` and ``Screenshot 2024-01-02`` say nothing of the picture.
    """

    pattern: str = ""
    join: str = " "

    def caption_of(self, picture: Path) -> str | None:
        """The caption a picture's name holds; None when it holds none."""
        text = _COUNTER.sub("", picture.stem, count=1) if _COUNTER.match(picture.stem) else picture.stem
        if self.pattern:
            found = re.finditer(self.pattern, text)
            text = self.join.join(part for match in found for part in (match.groups() or (match[0],)) if part)
        elif _NUMBER.search(text) or sum(_LETTERS.fullmatch(word) is not None for word in text.split()) < 2:
            return None
        return tidy(text) or None


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
