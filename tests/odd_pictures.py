"""Pictures of two colours, of noise, and turned by the camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

ORIENTATION = 0x0112
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def halves(size: tuple[int, int], top: tuple[int, int, int], bottom: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGB", size, top)
    image.paste(bottom, (0, size[1] // 2, *size))
    return image


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8))


def turned(path: Path, orientation: int) -> Path:
    """40 x 20 pixels as stored, red above blue; the camera says how to turn it. The format is the name's."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    halves((40, 20), RED, BLUE).save(path, exif=exif, quality=95)
    return path
