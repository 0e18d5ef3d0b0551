"""Several curves on one plot, told apart by letters, each in a colour of its own: cheap to send."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from tinv_tui.app import chart, wording
from tinv_tui.app.chart import Axis
from tinv_tui.app.wording import Line
from tinv_tui.runs.curve import LossRow

ROLES = {"A": "accent", "B": "warning", "C": "good", "D": "bad"}
"""The colour of each letter."""

_LABEL = 7
_SEVERAL = "*"
"""Where curves meet."""


def plot(curves: Sequence[tuple[str, Sequence[LossRow]]], width: int, height: int, *, log: bool = False) -> list[Line]:
    """``height`` rows of curves, each a letter and its points, between their lowest and highest loss, and a row of steps.

    A curve ends where its run stands, and nothing is drawn where it has no point.
    """
    points = [point for _, curve in curves for point in curve]
    if not points or width <= _LABEL or height < 2:
        return []
    axis = Axis(0, max(step for step, _ in points), width - _LABEL)
    columns = [(letter, chart.spread(((step, step, loss) for step, loss in curve), axis)) for letter, curve in curves]
    shown = [loss for _, losses in columns for loss in losses if loss is not None]
    scale, rows = chart.Scale(min(shown), max(shown), log), height - 1
    cells = [[" "] * axis.width for _ in range(rows)]
    for letter, losses in columns:
        for column, loss in enumerate(losses):
            if loss is not None:
                row = cells[round((1 - scale.share(loss)) * (rows - 1))]
                row[column] = letter if row[column] == " " else _SEVERAL
    labels = {0: wording.loss(scale.high), rows - 1: wording.loss(scale.low)}
    drawn: list[Line] = [
        ((f"{labels.get(row, ''):<{_LABEL}}", "label"), *_coloured("".join(line))) for row, line in enumerate(cells)
    ]
    last = wording.count(axis.last)
    return [*drawn, ((f"{'step':<{_LABEL}}0{last:>{max(len(last) + 1, axis.width - 1)}}", "label"),)]


def _coloured(row: str) -> Line:
    """Letters and the spaces before them as one piece: that costs least to send."""
    pieces: list[tuple[str, str]] = []
    for mark, cells in itertools.groupby(row):
        text, role = "".join(cells), ROLES.get(mark, "chart")
        if pieces and (mark == " " or pieces[-1][1] == role):
            pieces[-1] = (pieces[-1][0] + text, pieces[-1][1])
        else:
            pieces.append((text, "" if mark == " " else role))
    return tuple(pieces)
