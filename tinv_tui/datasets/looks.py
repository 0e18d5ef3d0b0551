"""What a picture looks like in numbers: everything the checks need of its pixels, read once."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tinv_tui.datasets.closer_look import Traits
from tinv_tui.datasets.decoding import open_upright
from tinv_tui.datasets.picture_files import open_picture
from tinv_tui.datasets.sharpness import detail_share, is_interpolated, repeated_share

THUMB = 32
_GREY_SIDE, _GREY_LONGEST = 160, 240
_KEPT = 20_000
_REPEATED = 0.45
"""More rows and columns than this repeat the one before only in a picture that was enlarged pixel by pixel."""
_STANDARD_SUM = 246
"""Of the 16 smallest of the luminance table in annex K of the JPEG standard, which libjpeg calls quality 50. The larger ones
are clipped at low quality."""


@dataclass(frozen=True)
class Look:
    """One picture, as far as it matters to a dataset."""

    hash: NDArray[np.bool_]
    """[128]: is a cell brighter than its neighbour, along rows and along columns (dHash)."""
    thumb: NDArray[np.uint8]
    """[32, 32, 3], whatever the picture's shape."""
    colours: NDArray[np.float32]
    """[64]: the share of pixels in each of 4 x 4 x 4 colours."""
    grey: NDArray[np.uint8]
    """[h, w] at the picture's own shape, the shorter side 160."""
    traits: Traits


_known: OrderedDict[tuple[str, int, int, int], Look | str] = OrderedDict()
_lock = Lock()


def look_at(path: Path, side: int) -> Look:
    """The look of a picture that is trained with a shorter side of ``side`` pixels; a file unchanged is not read again.

    Raises OSError when the pixels cannot be read.
    """
    state = path.stat()
    key = (str(path), state.st_size, state.st_mtime_ns, side)
    with _lock:
        known = _known.get(key)
    if known is None:
        try:
            known = _look_at(path, side)
        except (OSError, ValueError, SyntaxError, MemoryError) as error:
            known = " ".join(str(error).replace(str(path), "").split()).strip(" :") or type(error).__name__
        with _lock:
            _known[key] = known
            while len(_known) > _KEPT:
                _known.popitem(last=False)
    if isinstance(known, str):
        raise OSError(known)
    return known


def look_at_all(paths: Sequence[Path], side: int, *, threads: int | None = None) -> Generator[Look | OSError]:
    """The looks of many pictures, in order, as they come; an error takes the place of one that cannot be read.

    Closing it early leaves the rest undone.
    """
    pool = ThreadPoolExecutor(threads or min(8, os.cpu_count() or 1), thread_name_prefix="look")

    def attempt(path: Path) -> Look | OSError:
        try:
            return look_at(path, side)
        except OSError as error:
            return error

    try:
        yield from pool.map(attempt, paths)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _look_at(path: Path, side: int) -> Look:
    with open_picture(path) as header:
        tables = getattr(header, "quantization", None)
        stored, from_jpeg = sorted(header.size), header.format == "JPEG"
    image = open_upright(path, at_least=side)
    is_opaque = image.mode != "RGBA" or image.getchannel("A").getextrema()[0] == 255
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    whole = sorted(image.size) == stored
    shrink = min(image.size) // side
    grey = np.asarray((image.reduce(shrink) if shrink > 1 else image).convert("L"), dtype=np.float32)
    share, repeated = detail_share(grey), repeated_share(grey)
    if repeated > _REPEATED and share is not None:
        share *= 1 - repeated
    small = np.asarray(image.resize((64, 64), Image.Resampling.BOX)) // 64
    bins = np.bincount((small[..., 0] * 16 + small[..., 1] * 4 + small[..., 2]).ravel(), minlength=64)
    return Look(
        hash=_hash(image),
        thumb=np.asarray(image.resize((THUMB, THUMB), Image.Resampling.BOX)),
        colours=(bins / bins.sum()).astype(np.float32),
        grey=_grey(image),
        traits=Traits(
            detail=None if share is None else share * min(grey.shape),
            is_enlarged=repeated > _REPEATED or (whole and shrink <= 1 and is_interpolated(grey, from_jpeg=from_jpeg)),
            quality=_quality(tables[0]) if from_jpeg and tables else None,
            is_opaque=is_opaque,
        ),
    )


def _hash(image: Image.Image) -> NDArray[np.bool_]:
    grey = np.asarray(image.convert("L").resize((9, 9), Image.Resampling.BOX), dtype=np.int16)
    return np.concatenate([(grey[:8, 1:] > grey[:8, :-1]).ravel(), (grey[1:, :8] > grey[:-1, :8]).ravel()])


def _grey(image: Image.Image) -> NDArray[np.uint8]:
    scale = _GREY_SIDE / min(image.size)
    width, height = (max(1, round(edge * scale)) for edge in image.size)
    grey = np.asarray(image.convert("L").resize((width, height), Image.Resampling.BOX))
    top, left = max(0, height - _GREY_LONGEST) // 2, max(0, width - _GREY_LONGEST) // 2
    return np.ascontiguousarray(grey[top : top + _GREY_LONGEST, left : left + _GREY_LONGEST])


def _quality(table: Sequence[int]) -> int:
    """libjpeg's quality of a luminance table, worked back from its steps."""
    percent = 100 * sum(sorted(table)[:16]) / _STANDARD_SUM
    quality = (200 - percent) / 2 if percent <= 100 else 5000 / percent
    return int(min(max(round(quality), 1), 100))
