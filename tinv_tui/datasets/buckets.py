"""Chooses the training size of each picture, so that none is squashed out of shape without being asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

SizeMode = Literal["bucket", "resize", "crop"]
Size = tuple[int, int]
"""(width, height) in pixels."""


def training_size(picture: Size, target: Size, sizes: SizeMode, grid: int) -> Size:
    """The size a picture is trained at: ``target`` itself, or for "bucket" one of its shape and about the target's area.

    Sides are multiples of ``grid`` pixels; shapes beyond 3:1 are cut to 3:1.
    """
    if sizes != "bucket":
        return target
    aspect = min(max(picture[0] / picture[1], 1 / 3), 3.0)
    if abs(math.log(aspect / (target[0] / target[1]))) < 0.02:
        return target
    area = target[0] * target[1]
    width = max(grid, round(math.sqrt(area * aspect) / grid) * grid)
    height = max(grid, round(math.sqrt(area / aspect) / grid) * grid)
    return width, height


def group_by_size(sizes: Sequence[Size]) -> dict[Size, list[int]]:
    """Indices of the pictures of each size, in order; the sizes in the order of their first picture."""
    groups: dict[Size, list[int]] = {}
    for index, size in enumerate(sizes):
        groups.setdefault(size, []).append(index)
    return groups
