"""Opens and writes the caption file beside a picture, so that an editor loses nothing: not a word, and no other file."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from tinv_tui.atomic import write_atomic
from tinv_tui.datasets.captions import NoCaption, caption_bytes
from tinv_tui.datasets.picture_files import EXTENSIONS
from tinv_tui.errors import InputError

_NO_TEXT = ("Cc", "Cn", "Cs")
"""Unicode's categories of control characters, of characters that are none, and of halves of characters."""
_MARKED = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
)


@dataclass(frozen=True)
class CaptionFile:
    """A caption to edit. ``path`` is where it is kept; ``held`` is what the file held when it was opened."""

    picture: Path
    path: Path
    text: str
    held: bytes | None
    """None while there is no file."""
    shared_with: tuple[str, ...] = ()
    """Other pictures of the same name up to the last dot: the file is theirs too."""


def open_caption(picture: Path, from_name: str = "") -> CaptionFile:
    """The caption file of a picture; where there is none a new one, which starts with ``from_name``.

    Raises InputError for one that :func:`caption_bytes` refuses or that is no text: it is left as it is.
    """
    path = picture.with_suffix(".txt")
    held = _read(picture)
    text = from_name if held is None else _decode(held, path)
    return CaptionFile(picture, path, text.strip(), held, _others_of(picture))


def save_caption(caption: CaptionFile, text: str, *, over_changes: bool = False) -> None:
    """Write the text as UTF-8, whole or not at all. Raises InputError, the file left as it was.

    A file that holds something else than when it was opened is only replaced with ``over_changes``.
    """
    if not over_changes and _read(caption.picture) != caption.held:
        raise InputError("caption-changed", f"{caption.path.name} has been changed by something else meanwhile", "")
    try:
        write_atomic(caption.path, f"{text.strip()}\n".encode("utf-8", errors="replace"))
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(
            "caption-unwritable", f"{caption.path}: {why}", "Check the folder's permissions and the disk."
        ) from None


def _read(picture: Path) -> bytes | None:
    try:
        return caption_bytes(picture)
    except NoCaption as refusal:
        raise _refusal(picture.with_suffix(".txt"), str(refusal)) from None


def _decode(raw: bytes, path: Path) -> str:
    """As captions are read for training, but strictly: what would come out with a replaced character is refused."""
    encodings = next(((encoding,) for mark, encoding in _MARKED if raw.startswith(mark)), ("utf-8", "cp1252"))
    for encoding in encodings:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if all(character in "\t\r\n" or unicodedata.category(character) not in _NO_TEXT for character in text):
            return "\n".join(text.splitlines())
    raise _refusal(path, "is no text")


def _refusal(path: Path, why: str) -> InputError:
    hint = "It is left as it is; move it away or mend it, then edit the caption."
    return InputError("caption-unreadable", f"{path.name} {why}", hint)


def _others_of(picture: Path) -> tuple[str, ...]:
    try:
        found = sorted(path.name for path in picture.parent.iterdir() if path.stem == picture.stem and path != picture)
    except OSError:
        return ()
    return tuple(name for name in found if Path(name).suffix.lower() in EXTENSIONS)
