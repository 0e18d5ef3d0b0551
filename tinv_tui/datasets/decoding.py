"""Opens pictures the way the trainer sees them: turned, on white, at their size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from tinv_tui.datasets.geometry import middle_box
from tinv_tui.datasets.picture_files import MOST_PIXELS, no_warnings, open_picture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def count_pixels(path: Path) -> int:
    """How large the whole picture is; its pixels are not read. Raises OSError."""
    try:
        with no_warnings, open_picture(path) as image:
            return image.width * image.height
    except OSError:
        raise
    except Exception as error:  # any decoder may fail in its own way on a broken file
        raise OSError(f"{path} cannot be decoded: {error}") from error


def open_upright(path: Path, reduction: int = 1, *, at_least: int | None = None) -> Image.Image:
    """The first frame, turned as the camera says; RGB, or RGBA when it has transparency. Raises OSError.

    A JPEG whose sides are multiples of ``reduction`` (1, 2, 4 or 8) is decoded at that part of its size, which is faster.
    With ``at_least`` any JPEG may come smaller than it is, its shorter side no less than so many pixels.
    """
    try:
        with no_warnings:
            return _open_upright(path, reduction, at_least)
    except OSError:
        raise
    except Exception as error:  # any decoder may fail in its own way on a broken file
        raise OSError(f"{path} cannot be decoded: {error}") from error


def open_flat(path: Path, background: str = "white", reduction: int = 1, *, at_least: int | None = None) -> Image.Image:
    """As :func:`open_upright`, always RGB: what is transparent lets the background colour through."""
    image = open_upright(path, reduction, at_least=at_least)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, background), image).convert("RGB")
    return image


def _open_upright(path: Path, reduction: int, at_least: int | None) -> Image.Image:
    with open_picture(path) as image:
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise OSError(f"{path} is too large to open safely")
        if reduction > 1 and width % reduction == 0 == height % reduction:
            image.draft(None, (width // reduction, height // reduction))  # only JPEG can, and has a method that does
        elif at_least is not None:
            scale = at_least / min(width, height)
            image.draft(None, (math.ceil(width * scale), math.ceil(height * scale)))
        image.load()
        turned = ImageOps.exif_transpose(image)
        if turned.mode.startswith("I"):  # 16-bit grey: Pillow would clip it, not scale it
            import numpy as np

            grey = np.asarray(turned, dtype=np.float32)
            scale = 255 / 65535 if grey.max() > 255 else 1.0
            turned = Image.fromarray((grey * scale).astype(np.uint8))
        if "A" in turned.getbands() or "transparency" in turned.info:
            return turned.convert("RGBA")
        return turned.convert("RGB")


@dataclass(frozen=True)
class TrainingPicture:
    """A picture as it is trained on."""

    pixels: NDArray[np.float32]
    """[3, h, w] in [-1, 1], on white."""
    opacity: NDArray[np.float32]
    """[h, w] in [0, 1]."""
    own_size: tuple[int, int]
    """(width, height) of the whole picture before scaling, in pixels."""
    corner: tuple[int, int]
    """(left, top) of what is kept, in pixels of the whole picture after scaling."""


def load_for_training(path: Path, size: tuple[int, int], *, crop: bool) -> TrainingPicture:
    """A picture at training size, ``size`` being (width, height).

    With ``crop`` the middle is cut out at the target's shape before scaling; otherwise the picture is scaled to fit
    exactly. Raises OSError.
    """
    import numpy as np

    image = open_upright(path)
    own_size, corner = image.size, (0, 0)
    if crop:
        left, top, right, bottom = middle_box(own_size, size)
        corner = round(left * size[0] / (right - left)), round(top * size[1] / (bottom - top))
        image = ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    elif image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    opacity: NDArray[np.float32] = np.ones((size[1], size[0]), dtype=np.float32)
    if image.mode == "RGBA":
        opacity = np.asarray(image.getchannel("A"), dtype=np.float32) / np.float32(255)
        image = Image.alpha_composite(Image.new("RGBA", size, "white"), image).convert("RGB")
    pixels = np.asarray(image, dtype=np.float32).transpose(2, 0, 1) / 127.5 - 1
    return TrainingPicture(np.ascontiguousarray(pixels), opacity, own_size, corner)
