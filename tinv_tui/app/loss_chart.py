"""The loss over the steps as lines of text: curves, their scales, and on the axis below what happened at which step."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tinv_tui.app import chart, wording
from tinv_tui.app.chart import Axis, Scale
from tinv_tui.app.wording import Line, Piece

if TYPE_CHECKING:
    from tinv_tui.runs.curve import CurvePoint
    from tinv_tui.runs.history import Happening, RunView

WINDOWS: Final = (0, 1000, 100)
"""How many of the newest steps are shown; 0 is all."""

MARKS: Final[dict[Happening, str]] = {"rollback": "«", "rate": "◆", "copy": "•", "preview": "◦"}
"""Where several fall on one column the first of these shows."""
_WORDS: Final[dict[Happening, str]] = {
    "rollback": "went back",
    "rate": "new rate",
    "copy": "copy",
    "preview": "preview",
}

_GUTTER = 6
_ROOMY = 12
"""From so many rows on, a chart has both training curves, labels on its axes, and a legend."""
_LEAST_SPAN = 0.005
"""Of the evaluation loss: a change of a thousandth is no descent, and looks like none."""


@dataclass(frozen=True)
class LossLook:
    """How the curve is looked at."""

    window: int = 0
    log: bool = False

    def in_words(self) -> str:
        """What is not as usual; nothing where all is."""
        shown = [f"last {wording.count(self.window)}"] if self.window else []
        return " · ".join([*shown, *(["log scale"] if self.log else [])])


def draw_loss(view: RunView, look: LossLook, width: int, height: int) -> list[Line]:
    """The curves in exactly ``height`` rows, or fewer where there is nothing to draw."""
    points = _window(view, look)
    if not points or height < 1 or width <= _GUTTER:
        return []
    axis = Axis(points[0].first, points[-1].step, width - _GUTTER)
    is_roomy = height >= _ROOMY
    below = _below(view, axis, roomy=is_roomy) if height >= 5 else []
    rows = height - len(below)
    low = 0 if not view.evaluations else rows // 4 if is_roomy else 2 if rows >= 7 else 1 if rows >= 3 else 0
    lines = _training(points, axis, rows - low, look, roomy=is_roomy)
    if low:
        evaluation = chart.held(view.evaluations, axis)
        scale = chart.limits(evaluation, log=look.log, least=_LEAST_SPAN)
        lines += _labelled([((row, "chart-eval"),) for row in chart.draw(evaluation, low, scale)], scale, name="eval")
    return lines + below


def sparkline(view: RunView, look: LossLook, width: int) -> str:
    """The smoothed training loss in one row of ``width`` characters, blank where nothing is known."""
    points = _window(view, look)
    if not points or width < 1:
        return " " * max(0, width)
    smooth = chart.spread(((p.first, p.step, p.smooth) for p in points), Axis(points[0].first, points[-1].step, width))
    return chart.draw(smooth, 1, chart.limits(smooth, log=look.log))[0]


def _window(view: RunView, look: LossLook) -> tuple[CurvePoint, ...]:
    if not look.window or not view.recent:
        return view.curve
    first = view.recent[-1].step - look.window + 1
    return tuple(itertools.dropwhile(lambda point: point.first < first, view.recent)) or view.recent[-1:]


def _training(points: Sequence[CurvePoint], axis: Axis, height: int, look: LossLook, *, roomy: bool) -> list[Line]:
    """The smoothed training loss; where there is room as a line over the training loss itself."""
    smooth = chart.spread(((p.first, p.step, p.smooth) for p in points), axis)
    if not roomy:
        scale = chart.limits(smooth, log=look.log)
        return _labelled([((row, "chart"),) for row in chart.draw(smooth, height, scale)], scale)
    training = chart.spread(((p.first, p.step, p.mean) for p in points), axis)
    scale = chart.limits([*training, *smooth], log=look.log)
    rows = zip(chart.draw(training, height, scale), chart.line(smooth, height, scale), strict=True)
    return _labelled([_over(row, line) for row, line in rows], scale)


def _over(row: str, line: str) -> Line:
    """A line over the dim blocks of a row; neighbours of one kind are one piece, which costs least to send."""
    kinds = itertools.groupby(zip(row, line, strict=True), key=lambda cell: cell[1] != " ")
    return tuple(
        ("".join(above if is_line else block for block, above in cells), "chart" if is_line else "faint")
        for is_line, cells in kinds
    )


def _labelled(rows: Sequence[Line], scale: Scale, name: str = "") -> list[Line]:
    """Rows with the values of the scale before them: at top and bottom, and between them where there is room."""
    height = len(rows)
    labels = [""] * height
    if height > 1:
        labels[0], labels[-1] = _value(scale.high), _value(scale.low)
    if height >= 9:
        for part in range(1, parts := height // 5):
            row = round((height - 1) * part / parts)
            labels[row] = _value(scale.value(1 - row / (height - 1)))
    if name and height < 4:
        labels[-1] = name
    elif name:
        labels[height // 2] = name
    return [((f"{label:<{_GUTTER}}", "label"), *row) for label, row in zip(labels, rows, strict=True)]


def _value(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.4g}"[:5]


def _below(view: RunView, axis: Axis, *, roomy: bool) -> list[Line]:
    """The axis with its marks; in a roomy chart the steps and a legend too. Nothing in a small one without marks."""
    marks = {what: [m.step for m in view.markers if m.what == what and axis.holds(m.step)] for what in MARKS}
    if not roomy and not any(marks.values()):
        return []
    cells = ["─"] * axis.width
    for what, steps in reversed(marks.items()):
        for step in steps:
            cells[axis.column(step)] = MARKS[what]
    line: list[Piece] = [(" " * (_GUTTER - 1) + "└", "faint")] if roomy else [(" " * _GUTTER, "")]
    for is_rule, group in itertools.groupby(cells, key=lambda cell: cell == "─"):
        line.append(("".join(group), "faint" if is_rule else "accent"))
    if not roomy:
        return [tuple(line)]
    legend: list[Piece] = [(" " * _GUTTER, ""), ("─", "chart"), (" smooth  ", "label"), ("█", "faint")]
    legend.append((" training", "label"))
    for what, steps in marks.items():
        if steps:
            legend += [(f"  {MARKS[what]}", "accent"), (f" {_WORDS[what]}", "label")]
    return [tuple(line), ((" " * _GUTTER + _steps(axis), "label"),), tuple(legend)]


def _steps(axis: Axis) -> str:
    """Step numbers under their columns: the first, the last, and between them as many as have room."""
    first, last = wording.count(axis.first), wording.count(axis.last)
    if axis.width < len(first) + len(last) + 1:
        return last.rjust(axis.width)
    cells = list(first.ljust(axis.width - len(last)) + last)
    parts = max(1, axis.width // 24)
    for part in range(1, parts):
        column = axis.width * part // parts
        text = wording.count(axis.last_step(column))
        at = column - len(text) // 2
        if "".join(cells[at - 2 : at + len(text) + 2]).isspace():
            cells[at : at + len(text)] = text
    return "".join(cells)
