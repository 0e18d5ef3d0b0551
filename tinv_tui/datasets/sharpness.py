"""Measures how much detail a picture really holds, whatever its number of pixels.

A natural picture's power falls by about 30 dB a decade of spatial frequency, over the whole band. Out of focus, or enlarged
from a smaller one, it falls far below that line from some frequency on: above it there is nothing to learn from.
Interpolation also leaves a rhythm in the differences of neighbouring pixels (Gallagher 2005, "Detection of linear and cubic
interpolation in JPEG compressed images"), which a lens does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]
"""[h, w], 0 to 255."""

_TILE, _BANDS = 64, 16
_FALL_DB = 30.0
_MISSING_DB = 12.0
"""So far below the natural line a band counts as empty. Real photographs stay within 10."""
_FLAT = 2.0
"""Tiles with less contrast (standard deviation) say nothing."""
_PEAK = 4.5
"""A rhythm stands out so many times over its neighbours; chance reaches 3.9 in blurred photographs."""


def detail_share(grey: Grey) -> float | None:
    """The share (0 to 1) of the picture's own resolution that holds detail; None where there is too little to measure."""
    power = _power(grey)
    if power is None:
        return None
    level = 10 * np.log10(power + 1e-3)
    band = np.arange(_BANDS)
    start = max(level[1], level[2] + _FALL_DB * np.log10(2.5 / 1.5))
    missing = start - _FALL_DB * np.log10((band + 0.5) / 1.5) - level
    last = _BANDS
    while last > 3 and missing[last - 1] > _MISSING_DB:
        last -= 1
    return last / _BANDS


def _power(grey: Grey) -> NDArray[np.float64] | None:
    """Mean power in each of 16 bands up to the highest frequency, over the third of the tiles with the most contrast."""
    rows, columns = grey.shape[0] // _TILE, grey.shape[1] // _TILE
    if min(rows, columns) < 2:
        return None
    cut = grey[: rows * _TILE, : columns * _TILE].reshape(rows, _TILE, columns, _TILE)
    tiles = cut.swapaxes(1, 2).reshape(-1, _TILE, _TILE)
    contrast = tiles.std(axis=(1, 2))
    chosen = np.argsort(contrast)[-max(1, len(tiles) // 3) :]
    chosen = chosen[contrast[chosen] > _FLAT]
    if not len(chosen):
        return None
    picked = tiles[chosen] - tiles[chosen].mean(axis=(1, 2), keepdims=True)
    window = np.outer(np.hanning(_TILE), np.hanning(_TILE)).astype(np.float32)
    spectrum = (np.abs(np.fft.fft2(picked * window)) ** 2).mean(axis=0)
    frequency = np.fft.fftfreq(_TILE)
    radius = np.hypot(frequency[:, None], frequency[None]) * 2
    band = np.minimum((radius * _BANDS).astype(int), _BANDS)
    return np.array([spectrum[band == number].mean() for number in range(_BANDS)])


def repeated_share(grey: Grey) -> float:
    """The share of rows and columns that only repeat the one before: 0.75 for a picture enlarged 4 times pixel by pixel."""
    return min(_repeated_columns(grey), _repeated_columns(grey.T))


def _repeated_columns(grey: Grey) -> float:
    same = (np.diff(grey, axis=1) == 0).all(axis=0)
    changes = np.flatnonzero(~same)
    return float(same[changes[0] : changes[-1]].mean()) if len(changes) >= 8 else 0.0


def is_interpolated(grey: Grey, *, from_jpeg: bool) -> bool:
    """Whether neighbouring pixels differ in a rhythm, as they do in an enlarged picture.

    A JPEG has a rhythm of its own, of 8 pixels: what coincides with it proves nothing and is passed over.
    """
    return min(grey.shape) >= 2 * _TILE and any(_has_rhythm(a, from_jpeg) for a in (grey, grey.T))


def _has_rhythm(grey: Grey, from_jpeg: bool) -> bool:
    for order in (1, 2):  # an enlargement by exactly 2 shows in the first differences alone, others best in the second
        profile = np.abs(np.diff(grey, n=order, axis=1)).mean(axis=0)
        profile = profile[: len(profile) // 16 * 16]
        smooth = np.convolve(np.pad(profile, 8, mode="edge"), np.ones(17) / 17, "valid")
        size = np.abs(np.fft.rfft((profile - smooth) * np.hanning(len(profile))))
        frequency = np.fft.rfftfreq(len(profile))
        around = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(size, 12, mode="reflect"), 25), axis=1)
        stands_out = (size / (around + 1e-6)) * (frequency > (0.1 if order == 2 else 0.48))
        if from_jpeg:
            eighths = np.abs(frequency * 8 - np.round(frequency * 8)) / 8
            stands_out = stands_out * (eighths > 3 / len(profile))
        if stands_out.max() > _PEAK:
            return True
    return False
