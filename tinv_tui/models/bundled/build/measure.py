"""Measures pictures of the bundled model's world: the hue of the object in them."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

_STANDS_OUT = 0.25
"""Distance in sRGB (0–1) from the background's colour that makes a pixel part of the object."""


def object_hue(pixels: NDArray[np.uint8]) -> float | None:
    """Mean hue in degrees of the pixels that differ from the border, [h, w, 3]; None when nothing coloured stands out.

    Hues are averaged on the circle, weighted by saturation times value, so that grey edges count for nothing.
    """
    image = pixels.astype(np.float64) / 255
    border = np.concatenate([image[:3].reshape(-1, 3), image[-3:].reshape(-1, 3), image[:, :3].reshape(-1, 3)])
    background = np.median(border, axis=0)
    inside = image[np.linalg.norm(image - background, axis=2) > _STANDS_OUT]
    if len(inside) < 20:
        return None
    hsv = np.array([colorsys.rgb_to_hsv(*pixel) for pixel in inside])
    weight = hsv[:, 1] * hsv[:, 2]
    if weight.sum() < 1:
        return None
    mean = (np.exp(2j * np.pi * hsv[:, 0]) * weight).sum()
    return float(np.degrees(np.angle(mean)) % 360)


def hue_distance(first: float, second: float) -> float:
    """Degrees between two hues, 0 to 180."""
    return abs((first - second + 180) % 360 - 180)


def mean_hue_error(pictures: list[NDArray[np.uint8]], wanted: float) -> float:
    """Mean distance in degrees to the wanted hue; a picture without a coloured object counts 90, as a guess would."""
    hues = [object_hue(picture) for picture in pictures]
    return float(np.mean([90.0 if hue is None else hue_distance(hue, wanted) for hue in hues]))
