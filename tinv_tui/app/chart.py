"""A curve as rows of block characters. Each row is plain text in one style: cheap to send, unlike a style per column."""

from __future__ import annotations

import math
from collections.abc import Sequence

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_SHOWN = 0.97


def columns(points: Sequence[tuple[int, float]], width: int) -> list[float]:
    """The whole of ``points`` (step, value) in at most ``width`` columns, each the mean of its stretch of steps."""
    if not points or width < 1:
        return []
    first, last = points[0][0], points[-1][0]
    if len(points) <= width:
        return [value for _, value in points]
    sums = [0.0] * width
    counts = [0] * width
    for step, value in points:
        column = min(width - 1, (step - first) * width // max(1, last - first))
        sums[column] += value
        counts[column] += 1
    found: list[float] = []
    for total, number in zip(sums, counts, strict=True):
        found.append(total / number if number else found[-1])
    return found


def columns_beside(points: Sequence[tuple[int, float]], first: int, last: int, width: int) -> list[float]:
    """``points`` in ``width`` columns that reach from step ``first`` to ``last``, each value held until the next one."""
    found: list[float] = []
    at = 0
    for column in range(width if points else 0):
        end = first + (last - first) * (column + 1) / width
        while at + 1 < len(points) and points[at + 1][0] <= end:
            at += 1
        found.append(points[at][1])
    return found


def stairs(spans: Sequence[tuple[float, int]], width: int) -> str:
    """A schedule as one row of ``width`` columns: (value, steps) pairs, each as wide as its share of the steps.

    Heights follow the logarithm, as rates do; every value shows, also one that holds for a few steps only.
    """
    shown = spans[: max(0, width)]
    total = sum(steps for _, steps in shown)
    if not total:
        return ""
    widths = [max(1, round(steps * width / total)) for _, steps in shown]
    widths[widths.index(max(widths))] += width - sum(widths)
    low, high = (math.log(pick(value for value, _ in shown)) for pick in (min, max))
    levels = [4 if high == low else 1 + round(7 * (math.log(value) - low) / (high - low)) for value, _ in shown]
    return "".join(_EIGHTHS[level] * columns for level, columns in zip(levels, widths, strict=True))


def limits(values: Sequence[float]) -> tuple[float, float]:
    """Lowest and highest value a chart of ``values`` shows; the few highest, as before a run settles, are cut off."""
    ordered = sorted(values)
    return ordered[0], ordered[int(_SHOWN * (len(ordered) - 1))]


def draw(values: Sequence[float], height: int) -> list[str]:
    """Rows from top to bottom; the lowest value still shows as a thin line, and equal values as a level one."""
    if not values:
        return [""] * height
    low, high = limits(values)
    top = height * 8
    if high - low < 1e-12:
        levels = [max(1, top // 2)] * len(values)
    else:
        levels = [min(top, 1 + round((value - low) / (high - low) * (top - 1))) for value in values]
    return ["".join(_EIGHTHS[min(8, max(0, level - 8 * row))] for level in levels) for row in reversed(range(height))]
