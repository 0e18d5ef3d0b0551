"""Reads captions ("file words") beside pictures, or out of their file names."""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

_COUNTER = re.compile(r"[-\d]+\s*")
_NUMBER = re.compile(r"\d{3}")
_LETTERS = re.compile(r"[^\W\d_](?:[^\W\d_]|['’-])*[,;.!]?")
_TAGGER_ESCAPE = re.compile(r"\\([()\[\]])")
_MOST_BYTES = 2**16
"""A prompt takes a few hundred; what is larger is something else."""


class NoCaption(Exception):
    """What lies in a caption's place is none that may be read. The message says why."""


def read_caption(picture: Path) -> tuple[str | None, str]:
    """The text of ``<stem>.txt`` beside a picture, in any common encoding, as one tidy line.

    None when there is none, and where :func:`caption_bytes` refuses what there is; then the other is why, and "" otherwise.
    """
    try:
        raw = caption_bytes(picture)
    except NoCaption as refusal:
        return None, str(refusal)
    return (None if raw is None else tidy(_decode(raw))), ""


def caption_bytes(picture: Path) -> bytes | None:
    """What the caption file beside a picture holds; None when there is none. Never waits. Raises NoCaption.

    A caption is a regular file of 64 KiB at most. Captions end up in prompts and results, and whoever made a dataset may
    have put a link in the place of one; so a link is read only where it ends within the picture's folder, or where the
    picture is a link too and both end in one folder, as in a set put together by links. How one came to the folder itself
    does not matter.
    """
    path = picture.with_suffix(".txt")
    try:
        held = _read(path, picture)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NoCaption(f"cannot be read: {os.strerror(error.errno) if error.errno else error}") from None
    if len(held) > _MOST_BYTES:
        raise NoCaption(f"holds more than {_MOST_BYTES // 1024} KiB, which is no caption")
    return held


def _read(path: Path, picture: Path) -> bytes:
    """No more than one byte too many. Raises OSError and NoCaption."""
    how = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe would be waited for
    try:
        handle = os.open(path, how)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise NoCaption("is no file") from None
        if error.errno != errno.ELOOP:
            raise
        handle = os.open(_end_of_link(path, picture), how)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise NoCaption("is no file")
    except BaseException:
        os.close(handle)
        raise
    with open(handle, "rb") as file:
        return file.read(_MOST_BYTES + 1)


def _end_of_link(path: Path, picture: Path) -> str:
    end = os.path.realpath(path, strict=True)
    together = picture.is_symlink() and os.path.dirname(end) == os.path.dirname(os.path.realpath(picture))
    if not together and not Path(end).is_relative_to(os.path.realpath(path.parent)):
        raise NoCaption("is a link that leads out of its folder")
    return end


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
