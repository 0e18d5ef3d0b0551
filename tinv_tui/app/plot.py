"""Several curves on one plot, told apart by letters: plain text in one style, cheap to send."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tinv_tui.runs.curve import LossRow

_LABEL = 7
_SEVERAL = "*"
"""Where curves meet."""


def plot(curves: Sequence[tuple[str, Sequence[LossRow]]], width: int, height: int) -> list[str]:
    """``height`` rows of curves, each a letter and its points, between their lowest and highest loss, and a row of steps.

    A curve ends where its run stands, and nothing is drawn where it has no point. Losses go up by their logarithm.
    """
    points = [point for _, curve in curves for point in curve]
    if not points or width <= _LABEL or height < 2:
        return []
    last = max(step for step, _ in points)
    low, high = min(loss for _, loss in points), max(loss for _, loss in points)
    room, rows = width - _LABEL, height - 1
    cells = [[" "] * room for _ in range(rows)]
    for letter, curve in curves:
        for column, loss in _columns(curve, last, room).items():
            row = _row(loss, low, high, rows)
            cells[row][column] = letter if cells[row][column] in (" ", letter) else _SEVERAL
    labels = {0: f"{high:.3f}", rows - 1: f"{low:.3f}"}
    drawn = [f"{labels.get(row, ''):<{_LABEL}}{''.join(line)}" for row, line in enumerate(cells)]
    return [*drawn, f"{'step':<{_LABEL}}0{last:>{room - 1}}"]


def _columns(curve: Sequence[LossRow], last: int, room: int) -> dict[int, float]:
    """The mean of each column's points."""
    sums = dict[int, list[float]]()
    for step, loss in curve:
        sums.setdefault(min(room - 1, step * room // max(1, last)), []).append(loss)
    return {column: sum(losses) / len(losses) for column, losses in sums.items()}


def _row(loss: float, low: float, high: float, rows: int) -> int:
    if low <= 0:
        share = (loss - low) / (high - low) if high > low else 0.5
    else:
        share = math.log(loss / low) / math.log(high / low) if high > low else 0.5
    return round((1 - share) * (rows - 1))
