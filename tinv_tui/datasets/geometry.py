"""Where a picture is scaled and cut. Whole numbers in, whole numbers out; golden values in a1111.md §3.4."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Size = tuple[int, int]
"""(width, height) in pixels."""
Box = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels."""

_GRID = 64
"""Sizes of auto-sized crops go up in steps of so many pixels."""
_MOST_OVERLAP = 0.9


@dataclass(frozen=True)
class Fill:
    """A picture scaled until it covers the target, and the middle of it."""

    scaled: Size
    offset: tuple[int, int]
    """Where the scaled picture's top left corner lies, seen from the target's; 0 or less."""

    def box(self, target: Size) -> Box:
        """What of the scaled picture is kept."""
        left, top = -self.offset[0], -self.offset[1]
        return left, top, left + target[0], top + target[1]


def fill(picture: Size, target: Size) -> Fill:
    """Scale to cover the target, with the middle kept."""
    (width, height), (to_width, to_height) = picture, target
    if to_width * height > width * to_height:  # taller than the target's shape
        scaled = to_width, height * to_width // width
    else:
        scaled = width * to_height // height, to_height
    return Fill(scaled, (to_width // 2 - scaled[0] // 2, to_height // 2 - scaled[1] // 2))


@dataclass(frozen=True)
class Tiles:
    """A long picture scaled to the target's short side, and where its tiles start on the long one."""

    scaled: Size
    starts: tuple[int, ...]
    vertical: bool

    def boxes(self, target: Size) -> list[Box]:
        """What of the scaled picture each tile is."""
        corners = [(0, start) if self.vertical else (start, 0) for start in self.starts]
        return [(left, top, left + target[0], top + target[1]) for left, top in corners]


def split_ratio(picture: Size, target: Size) -> float:
    """The short side over the long one, measured against the target's shape; 1 and more need no split."""
    (width, height), (to_width, to_height) = picture, target
    if height > width:
        return (width * to_height) / (height * to_width)
    return (height * to_width) / (width * to_height)


def split(picture: Size, target: Size, overlap: float) -> Tiles:
    """Tiles of the target's size that cover a long picture, each repeating at least ``overlap`` of its neighbour."""
    vertical = picture[1] > picture[0]
    short, long = picture if vertical else picture[::-1]
    to_short, to_long = target if vertical else target[::-1]
    length = max(to_long, long * to_short // short)
    overlap = min(max(overlap, 0.0), _MOST_OVERLAP)
    count = max(1, math.ceil((length - to_long * overlap) / (to_long * (1 - overlap))))
    step = (length - to_long) / (count - 1) if count > 1 else 0.0
    starts = tuple(int(step * index) for index in range(count))
    return Tiles((to_short, length) if vertical else (length, to_short), starts, vertical)


def auto_size(
    picture: Size,
    sides: tuple[int, int],
    areas: tuple[int, int],
    objective: Literal["area", "error"],
    threshold: float,
) -> Size | None:
    """The size within the bounds (least, greatest) that suits a picture; None when each cuts away more than ``threshold``.

    The error of a size is the part of the picture that is cut away. "area" takes the largest size, the smaller error
    among equals; "error" the smallest error, the larger size among equals.
    """
    best: tuple[tuple[float, float], Size] | None = None
    for size in _sizes(sides, areas):
        ratio = picture[0] / picture[1] / (size[0] / size[1])
        error, area = 1 - min(ratio, 1 / ratio), size[0] * size[1]
        merit = (area, -error) if objective == "area" else (-error, area)
        if error <= threshold and (best is None or merit > best[0]):
            best = merit, size
    return best[1] if best is not None else None


def _sizes(sides: tuple[int, int], areas: tuple[int, int]) -> Iterator[Size]:
    steps = range(sides[0], sides[1] + 1, _GRID)
    return ((w, h) for w in steps for h in steps if areas[0] <= w * h <= areas[1])


def middle_box(picture: Size, target: Size) -> tuple[float, float, float, float]:
    """The middle of a picture at the target's shape: (left, top, right, bottom), pixels, fractions of them too."""
    width, height = picture
    if height * target[0] < width * target[1]:
        margin = (width - target[0] * height / target[1]) / 2
        return margin, 0, width - margin, height
    margin = (height - target[1] * width / target[0]) / 2
    return 0, margin, width, height - margin


def focal_scale(picture: Size, target: Size) -> Size:
    """The size at which a picture just covers the target, for a crop around a point.

    A1111 scales a landscape picture by its height and a portrait by its width, which is too little when the target is
    longer than the picture; here the target is always covered.
    """
    (width, height), (to_width, to_height) = picture, target
    scale = max(to_width / width, to_height / height)
    return max(to_width, int(width * scale)), max(to_height, int(height * scale))


def box_around(point: tuple[float, float], picture: Size, target: Size) -> Box:
    """The target's size around a point, moved back inside the picture."""
    left, top = (
        min(max(round(at) - length // 2, 0), whole - length)
        for at, length, whole in zip(point, target, picture, strict=True)
    )
    return left, top, left + target[0], top + target[1]


def decode_reduction(picture: Size, scaled: Size) -> int:
    """1, 2, 4 or 8: how much smaller a picture may be decoded without a trace in what it is scaled to.

    Only where the sides divide, so that no edge moves, and twice the pixels needed remain.
    """
    for part in (8, 4, 2):
        divides = picture[0] % part == 0 == picture[1] % part
        if divides and picture[0] >= 2 * part * scaled[0] and picture[1] >= 2 * part * scaled[1]:
            return part
    return 1
