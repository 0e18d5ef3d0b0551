"""Opens picture files of the formats that are trained on, and of no other."""

from __future__ import annotations

import functools
import importlib
import threading
import warnings
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

MOST_PIXELS = 200_000_000
"""Larger pictures are refused unread: they would fill the memory."""
EXTENSIONS = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif", ".jxl"}
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF", "JXL")
"""Pillow's names of what those extensions mean. Whatever else it knows stays shut, such as PostScript, for which it starts a
program."""
_USUAL = ("PNG", "JPEG")
"""What nearly all are: who only reads those does without the other formats' modules and libraries, which take 2 MB."""
_BUILT_IN = ("Png", "Jpeg", "WebP", "Bmp", "Gif", "Tiff", "Avif")
"""Pillow's own modules for them."""
_PLUGINS = {
    ".heic": "pillow-heif",
    ".heif": "pillow-heif",
    ".avif": "pillow-avif-plugin",
    ".jxl": "pillow-jxl-plugin",
}
"""What teaches Pillow a format that it may not know."""


def open_picture(file: Path | BinaryIO) -> Image.Image:
    """The picture, its header read, told by its content. Raises OSError for anything else, or what its decoder raises."""
    from PIL import JpegImagePlugin, PngImagePlugin  # noqa: F401  Pillow imports all it has where one asked for is missing

    try:
        return Image.open(file, formats=_USUAL)
    except UnidentifiedImageError:
        return Image.open(file, formats=_known_formats())


def missing_plugin(path: Path) -> str:
    """The package to install before such a file can be read; "" where that is not what it lacks."""
    suffix = path.suffix.lower()
    return "" if suffix in Image.registered_extensions() else _PLUGINS.get(suffix, "")


@functools.cache
def _known_formats() -> tuple[str, ...]:
    """Those that Pillow and installed plugins can open here."""
    for module in (*(f"PIL.{name}ImagePlugin" for name in _BUILT_IN), "pillow_avif", "pillow_jxl", "pillow_heif"):
        try:
            plugin = importlib.import_module(module)
        except ImportError:
            continue
        if module == "pillow_heif":
            plugin.register_heif_opener()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


class _NoWarnings:
    """Pillow's warnings of odd files go nowhere while any thread is within; Python's own way is not one for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._within = 0
        self._before = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            self._within += 1
            if self._within == 1:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.simplefilter("ignore")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._within -= 1
            if self._within == 0:
                self._before.__exit__(None, None, None)


no_warnings = _NoWarnings()
