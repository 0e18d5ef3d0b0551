"""How much the pictures of a set differ from each other: copies, mirror images, and sets that show one thing one way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tinv_tui.datasets.looks import THUMB, Look

_HASH_BITS = 12
"""Pictures whose hashes differ in more of the 128 bits are no copies."""
_COPY_LEVELS, _COPY_SHIFT = 16.0, 60.0
"""Root mean square difference of two copies' thumbnails, in grey levels, once a common shift of at most so much is out."""
_MIRROR_LEVELS = 8.0

LEAST_LIKENESS, MOST_BRIGHTNESS, MOST_COLOUR = 0.9, 35.0, 0.4
"""A set is low in variety when its pictures' likeness is at least, and the spreads are at most, these.

Measured on five sets of 4 to 6 photographs each and on five random crops (a half to nine tenths of the side) of single
photographs: likeness up to 0.86 for the sets, and above 0.9 for 136 of 138 sets of crops.
"""
_SAMPLE = 12
"""Pictures compared pairwise; of a larger set every n-th."""


@dataclass(frozen=True)
class Variety:
    """The spread of a set. See :data:`LEAST_LIKENESS`."""

    brightness: float
    """Standard deviation of the pictures' mean brightness, in grey levels."""
    colour: float
    """Mean share of colour in which two pictures differ, 0 to 1."""
    likeness: float
    """Mean over the pictures of the correlation with the most alike other one, brought into register; 0 to 1. 0 also when
    the spreads above are so wide that it was not measured."""

    @property
    def is_low(self) -> bool:
        return self.likeness >= LEAST_LIKENESS


def measure_variety(looks: Sequence[Look]) -> Variety:
    """The variety of three pictures or more."""
    chosen = list(looks[:: max(1, math.ceil(len(looks) / _SAMPLE))])
    brightness = float(np.std([look.thumb.mean() for look in looks]))
    colours = np.stack([look.colours for look in chosen])
    apart = np.abs(colours[:, None] - colours[None]).sum(axis=2) / 2
    colour = float(apart[np.triu_indices(len(chosen), 1)].mean())
    if brightness > MOST_BRIGHTNESS or colour > MOST_COLOUR:
        return Variety(brightness, colour, 0.0)
    return Variety(brightness, colour, _likeness(chosen))


def _likeness(looks: Sequence[Look]) -> float:
    likeness = np.zeros((len(looks), len(looks)))
    for pair in find_copies(looks):
        likeness[pair] = likeness[pair[::-1]] = 1.0
    patterns = [_Pattern(look.grey) for look in looks]
    for i in range(len(looks)):
        for j in range(i):
            if not likeness[i, j]:
                likeness[i, j] = likeness[j, i] = patterns[i].found_in(patterns[j])
    return float(likeness.max(axis=1).mean())


def find_copies(looks: Sequence[Look], still_wanted: Callable[[], None] = lambda: None) -> list[tuple[int, int]]:
    """Pairs (later, earlier) of positions whose pictures are nearly the same; each picture with the first it is like.

    What ``still_wanted`` raises ends it: the time grows with the square of the pictures.
    """
    found: list[tuple[int, int]] = []
    if len(looks) < 2:
        return found
    hashes = np.stack([look.hash for look in looks])
    thumbs = np.stack([look.thumb for look in looks])
    for i in range(1, len(looks)):
        still_wanted()
        near = np.flatnonzero((hashes[:i] != hashes[i]).sum(axis=1) <= _HASH_BITS)
        for j in near:
            difference = thumbs[i].astype(np.float32) - thumbs[j]
            shift = difference.mean(axis=(0, 1))
            if np.abs(shift).max() <= _COPY_SHIFT and _rms(difference - shift) <= _COPY_LEVELS:
                found.append((i, int(j)))
                break
    return found


def find_mirrored(looks: Sequence[Look], still_wanted: Callable[[], None] = lambda: None) -> list[tuple[int, int]]:
    """Pairs (later, earlier) of positions whose pictures are mirror images of each other, and not of themselves.

    What ``still_wanted`` raises ends it.
    """
    found: list[tuple[int, int]] = []
    if len(looks) < 2:
        return found
    thumbs = np.stack([look.thumb for look in looks]).astype(np.float32)
    # Coarser pictures cannot differ more than the whole ones, and comparing them is 16 times the faster.
    coarse = thumbs.reshape(len(looks), THUMB // 4, 4, THUMB // 4, 4, 3).mean(axis=(2, 4))
    for i in range(1, len(looks)):
        still_wanted()
        apart = ((coarse[:i] - coarse[i][:, ::-1]) ** 2).mean(axis=(1, 2, 3))
        for j in np.flatnonzero(apart <= _MIRROR_LEVELS**2):
            mirrored = _rms(thumbs[j] - thumbs[i][:, ::-1])
            if mirrored <= _MIRROR_LEVELS and _rms(thumbs[i] - thumbs[j]) > max(6.0, 2.5 * mirrored):
                found.append((i, int(j)))
                break
    return found


def _rms(difference: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(difference**2)))


class _Pattern:
    """A picture that others are looked for in: nine patches of it, and itself at many scales.

    All of it is high-passed, so that only outlines and texture count, not the lighting.
    """

    SIDE, PATCH, STEP, STEPS = 96, 36, 1.06, 8
    FLOOR = 3.0
    """Contrast (standard deviation in grey levels) below which a patch says nothing."""

    def __init__(self, grey: NDArray[np.uint8]) -> None:
        self._grey = Image.fromarray(grey)

    @cached_property
    def patches(self) -> list[NDArray[np.float32]]:
        """Each with mean 0 and length 1; flat ones are left out."""
        image = _high_pass(self._scaled(self.SIDE))
        found = []
        for top in self._places(image.shape[0]):
            for left in self._places(image.shape[1]):
                patch = image[top : top + self.PATCH, left : left + self.PATCH]
                patch = patch - patch.mean()
                length = float(np.sqrt((patch**2).sum()))
                if length > self.FLOOR * self.PATCH:
                    found.append(patch / length)
        return found

    @cached_property
    def scales(self) -> list[tuple[NDArray[np.complex64], tuple[int, int], NDArray[np.float64]]]:
        """At each scale: the spectrum, the shape, and one over the contrast below a patch at each place."""
        found = []
        for step in range(-self.STEPS, self.STEPS + 1):
            image = _high_pass(self._scaled(round(self.SIDE * self.STEP**step)))
            size = self.PATCH
            total, squares = _box_sums(image, size), _box_sums(image**2, size)
            contrast = np.sqrt(np.maximum(squares - total**2 / size**2, (self.FLOOR * size) ** 2))
            shape = (image.shape[0], image.shape[1])
            found.append((np.fft.rfft2(image).astype(np.complex64), shape, 1 / contrast))
        return found

    def found_in(self, other: _Pattern) -> float:
        """The best correlation (0 to 1) of any patch with any place of the other picture at any scale."""
        best = 0.0
        for spectrum, shape, weight in other.scales:
            for patch in self.patches:
                product = np.fft.irfft2(spectrum * np.conj(np.fft.rfft2(patch, shape)), shape)
                valid = product[: weight.shape[0], : weight.shape[1]]
                best = max(best, float((valid * weight).max()))
        return min(best, 1.0)

    def _scaled(self, side: int) -> NDArray[np.float32]:
        scale = side / min(self._grey.size)
        size = round(self._grey.width * scale), round(self._grey.height * scale)
        return np.asarray(self._grey.resize(size, Image.Resampling.BOX), dtype=np.float32)

    def _places(self, length: int) -> list[int]:
        room = length - self.PATCH
        return [room // 6, room // 2, 5 * room // 6]


def _high_pass(grey: NDArray[np.float32], reach: int = 4) -> NDArray[np.float32]:
    window = 2 * reach + 1
    mean = _box_sums(np.pad(grey, reach, mode="edge"), window) / window**2
    return (grey - mean).astype(np.float32)


def _box_sums(values: NDArray[np.float32], size: int) -> NDArray[np.float64]:
    """The sums over all squares of ``size``; [h - size + 1, w - size + 1]."""
    sums = np.pad(values.astype(np.float64), ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    return np.asarray(sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size])
