"""A curve as rows of block characters. Each row is plain text in one style: cheap to send, unlike a style per column."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_THIRDS = "▁─▔"
_SHOWN = 0.97
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Axis:
    """Steps ``first`` to ``last`` in at most ``room`` equal columns; a step never has more than one column."""

    first: int
    last: int
    room: int

    @property
    def steps(self) -> int:
        return self.last - self.first + 1

    @property
    def width(self) -> int:
        return max(0, min(self.room, self.steps))

    def column(self, step: int) -> int:
        """The column of a step on the axis."""
        return (step - self.first) * self.width // self.steps

    def holds(self, step: int) -> bool:
        return self.first <= step <= self.last

    def last_step(self, column: int) -> int:
        return self.first + -(-(column + 1) * self.steps // self.width) - 1


def spread(stretches: Iterable[tuple[int, int, float]], axis: Axis) -> list[float | None]:
    """(first step, last step, value) on the columns they touch, the mean of several; None where none is: a gap."""
    sums, counts = [0.0] * axis.width, [0] * axis.width
    for first, last, value in stretches:
        if last < axis.first or first > axis.last:
            continue
        for column in range(axis.column(max(first, axis.first)), axis.column(min(last, axis.last)) + 1):
            sums[column] += value
            counts[column] += 1
    return [total / number if number else None for total, number in zip(sums, counts, strict=True)]


def held(points: Sequence[tuple[int, float]], axis: Axis) -> list[float | None]:
    """Each value of ``points`` (step, value) from its step on until the next one; None before the first."""
    found: list[float | None] = []
    at = -1
    for column in range(axis.width):
        end = axis.last_step(column)
        while at + 1 < len(points) and points[at + 1][0] <= end:
            at += 1
        found.append(points[at][1] if at >= 0 else None)
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


@dataclass(frozen=True)
class Scale:
    """Lowest and highest value of a chart, from its bottom to its top; ``log`` spaces them by their logarithm."""

    low: float
    high: float
    log: bool = False

    def share(self, value: float) -> float:
        """How far up a value is, from 0 to 1; a half where all are equal."""
        low, high, value = (self._spaced(v) for v in (self.low, self.high, value))
        return 0.5 if high - low < 1e-12 else min(1.0, max(0.0, (value - low) / (high - low)))

    def value(self, share: float) -> float:
        """The other way round."""
        low, high = self._spaced(self.low), self._spaced(self.high)
        at = low + share * (high - low)
        return 10.0**at if self.log else at

    def _spaced(self, value: float) -> float:
        return math.log10(max(value, _SMALLEST)) if self.log else value


def limits(values: Iterable[float | None], *, log: bool = False, least: float = 0.0) -> Scale:
    """What a chart of ``values`` shows; the few highest, as before a run settles, are cut off.

    It spans no less than the ``least`` part of what it shows: what hardly changes looks so.
    """
    ordered = sorted(value for value in values if value is not None) or [0.0]
    low, high = ordered[0], ordered[int(_SHOWN * (len(ordered) - 1))]
    lacks = max(0.0, least * abs(low + high) / 2 - (high - low))
    return Scale(low - lacks / 2, high + lacks / 2, log)


def draw(values: Sequence[float | None], height: int, scale: Scale) -> list[str]:
    """Rows from top to bottom; the lowest value still shows as a thin line, a gap as nothing."""
    top = height * 8
    levels = [0 if value is None else max(1, round(1 + scale.share(value) * (top - 1))) for value in values]
    return ["".join(_EIGHTHS[min(8, max(0, level - 8 * row))] for level in levels) for row in reversed(range(height))]


def line(values: Sequence[float | None], height: int, scale: Scale) -> list[str]:
    """The same as a thin line: rows from top to bottom, spaces where it is not."""
    rows = [[" "] * len(values) for _ in range(height)]
    for column, value in enumerate(values):
        if value is not None:
            row, third = divmod(round(scale.share(value) * (3 * height - 1)), 3)
            rows[height - 1 - row][column] = _THIRDS[third]
    return ["".join(row) for row in rows]
