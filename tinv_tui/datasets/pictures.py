"""Lists the pictures of a folder, and says of each why it cannot be trained on."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from tinv_tui.datasets.captions import NameCaptions, read_caption
from tinv_tui.datasets.picture_files import EXTENSIONS, MOST_PIXELS, missing_plugin, no_warnings, open_picture
from tinv_tui.errors import InputError

_ENDINGS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}
_WITHOUT_ENDING = ("BMP", "DIB", "GIF")
"""Whether these are whole, only their pixels tell; of others it is seen as they are opened, or as they are trained on."""
_LAST_BYTES = 64
_CUT_SHORT = "cut short, as by an upload that broke off"
_DAMAGED = "damaged: its pixels cannot be read"
_KEPT = 20_000
_MOST_FOLDERS = 500
"""So many are looked through for pictures that somebody may have meant."""
_NAMED = 4
TAKE_ONE_FOLDER = "Give one of those folders, or put the pictures together in one."


@dataclass(frozen=True)
class PictureEntry:
    """One file of a dataset. ``problem`` says why it cannot be used; then width and height are 0."""

    path: Path
    width: int
    height: int
    """Pixels, after the camera's orientation is applied."""
    caption: str | None
    """None when there is no caption file that can be read, nor a file name that stands in for one."""
    problem: str | None = None
    format: str = ""
    """Pillow's name of the file format: JPEG, PNG, WEBP, …"""
    is_turned: bool = False
    """Whether the camera's orientation turns it."""
    caption_problem: str = ""
    """Why its caption file is not read; "" where it is, or where there is none."""


def list_pictures(folder: Path, names: NameCaptions | None = None) -> list[PictureEntry]:
    """The pictures of a folder in the order of their names, headers read. Raises InputError.

    Pixels are not, but of a PNG, where Pillow looks for its orientation behind them too (20 ms for a million of them), and
    of formats whose end tells nothing.

    ``names`` says how a file name becomes the caption of a picture that has no caption file; without it, none does.
    """
    if not os.path.isdir(folder):  # to pathlib a name that is too long is an error
        what = "is a file, not a folder" if os.path.exists(folder) else "does not exist"
        raise InputError(
            "dataset-missing", f"dataset.path: {folder} {what}", "Give the folder that holds the pictures."
        )
    try:
        files = sorted(p for p in folder.iterdir() if p.suffix.lower() in EXTENSIONS and not p.name.startswith("."))
    except OSError as error:
        raise InputError("dataset-unreadable", f"dataset.path: {error}", "Check the folder's permissions.") from None
    return [_entry(path, names) for path in files if path.is_file()]


def without(entries: Sequence[PictureEntry], exclude: Collection[str]) -> list[PictureEntry]:
    """The pictures but for those left out by their file names."""
    return [entry for entry in entries if entry.path.name not in exclude]


def pictures_below(folder: Path) -> str:
    """Which subfolders hold pictures, which nobody looks into: "cats (12), more/dogs (3) and 2 more"; "" where none does."""
    found = list[str]()
    for looked_at, (inside, folders, files) in enumerate(os.walk(folder)):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        count = sum(Path(name).suffix.lower() in EXTENSIONS and not name.startswith(".") for name in files)
        if count and Path(inside) != folder:
            found.append(f"{Path(inside).relative_to(folder)} ({count})")
        if looked_at == _MOST_FOLDERS:
            break
    return ", ".join(found[:_NAMED]) + (f" and {len(found) - _NAMED} more" if len(found) > _NAMED else "")


def usable_pictures(folder: Path, entries: list[PictureEntry]) -> list[PictureEntry]:
    """Those of a folder's pictures that can be trained on. Raises InputError when there is none."""
    usable = [entry for entry in entries if entry.problem is None]
    if not usable:
        first = f" that can be used; {entries[0].path.name}: {entries[0].problem}" if entries else ""
        if not entries and (below := pictures_below(folder)):
            raise InputError(
                "dataset-empty",
                f"dataset.path: {folder} holds no pictures; its subfolders do: {below}",
                TAKE_ONE_FOLDER,
            )
        raise InputError(
            "dataset-empty", f"dataset.path: {folder} holds no pictures{first}", "Put PNG or JPEG pictures there."
        )
    return usable


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    format: str
    is_turned: bool


class _Unusable(Exception):
    """The message says why."""


def _entry(path: Path, names: NameCaptions | None) -> PictureEntry:
    try:
        now = path.stat()
        header = _header(path, now.st_size, now.st_mtime_ns, now.st_ctime_ns)
    except _Unusable as error:
        return PictureEntry(path, 0, 0, None, str(error))
    except OSError as error:
        return PictureEntry(path, 0, 0, None, f"cannot be read ({type(error).__name__})")
    caption, unread = read_caption(path)
    if caption is None and names is not None:
        caption = names.caption_of(path)
    return PictureEntry(path, header.width, header.height, caption, None, header.format, header.is_turned, unread)


@lru_cache(maxsize=_KEPT)
def _header(path: Path, _size: int, _written: int, _changed: int) -> _Header:
    """Read again only where the file is another: thousands of them take a second, and a form asks at each key.

    What raises is not kept: a disk may be slow to come, a plugin be installed. Raises _Unusable.
    """
    try:
        with no_warnings, open_picture(path) as image:
            width, height = _stored_size(image)
            kind, orientation = image.format or "", image.getexif().get(0x0112)
            if orientation in (5, 6, 7, 8):
                width, height = height, width
            if width * height <= MOST_PIXELS and _may_be_cut_short(path, image):
                _read_pixels(image)
    except _Unusable:
        raise
    except Image.DecompressionBombError:
        raise _Unusable("too large to open safely") from None
    except Exception as error:  # noqa: BLE001  any decoder may fail in its own way on a broken file
        if "truncated" in str(error):
            raise _Unusable(_CUT_SHORT) from None
        reason = "empty file" if _is_empty(path) else f"cannot be read ({type(error).__name__})"
        if plugin := missing_plugin(path):
            reason = f"{path.suffix} needs a plugin here: pip install {plugin}"
        raise _Unusable(reason) from None
    if width * height > MOST_PIXELS:
        raise _Unusable(f"too large: {width} x {height} pixels")
    return _Header(width, height, kind, orientation in range(2, 9))


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Before it is turned. Of a TIFF, some versions of Pillow tell the size that it is seen at."""
    if image.format == "TIFF":
        tags: Mapping[int, int] = image.tag_v2  # type: ignore[attr-defined]  # its class comes with the first TIFF
        return tags[0x0100], tags[0x0101]
    return image.size


def _may_be_cut_short(path: Path, image: Image.Image) -> bool:
    """Whether its last bytes are not those of a whole file, or whether only its pixels tell."""
    kind = image.format or ""
    if kind == "TIFF":  # of a compressed one the library that reads it complains on the terminal, over what is there
        return image.info.get("compression") == "raw"
    if kind in _WITHOUT_ENDING:
        return True
    with path.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _LAST_BYTES))
        return _ENDINGS.get(kind, b"") not in file.read()


def _read_pixels(image: Image.Image) -> None:
    """Raises _Unusable where they end early: read at an eighth of the size, where the format can.

    More may follow than a picture.
    """
    image.draft(None, (image.width // 8, image.height // 8))
    try:
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise _Unusable(_CUT_SHORT if "truncated" in str(error) else _DAMAGED) from None


def _is_empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError:
        return False
