"""The loss of the run: its curve, its numbers, how far it is and how long it will take."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from tinv_tui.app import chart, wording
from tinv_tui.app.keys import name_of
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.pane import Pane
from tinv_tui.app.wording import Line
from tinv_tui.runs.phases import counted

if TYPE_CHECKING:
    from tinv_tui.app.watcher import RunNow
    from tinv_tui.runs.history import RunView

_GUTTER = 6


class LossPane(Pane):
    def __init__(self) -> None:
        super().__init__("Loss", id="loss-pane", can_focus=True)
        self._now: RunNow | None = None

    def compose(self) -> ComposeResult:
        yield Lines(id="loss-lines")

    @property
    def text(self) -> Lines:
        return self.query_one("#loss-lines", Lines)

    def show(self, now: RunNow | None) -> None:
        self._now = now
        title = "Loss" if now is None else f"Loss  {wording.cut(now.name, 20)} {wording.state_piece(now.state)[0]}"
        self.set_title(title)
        self.set_class(now is not None and now.state in ("failed", "lost", "not-responding"), "-trouble")
        self._rebuild()

    def on_resize(self) -> None:
        self._rebuild()

    def _rebuild(self) -> None:
        width, height = self.text.size
        if not width or not height:
            return
        if self._now is None:
            self.text.show([(("no run yet", "label"),), ((f"fill in the form, then {name_of('run.start')}", "label"),)])
            return
        trouble = _trouble(self._now, width)
        head = [] if trouble else _numbers(self._now, width)
        foot = _foot(self._now, width)
        room = height - len(head) - len(foot)
        body = trouble or _waiting(self._now)
        body = body[: max(0, room)] if body else _curves(self._now.view, width, room)
        blank = [()] * max(0, room - len(body))
        self.text.show([*head, *body, *blank, *foot])


def _numbers(now: RunNow, width: int) -> list[Line]:
    view = now.view
    best = f"{wording.loss(view.best[1])} @ {wording.count(view.best[0])}" if view.best else wording.loss(None)
    pairs = [
        ("train", wording.loss(view.loss)),
        ("smooth", wording.loss(view.smooth)),
        ("eval", wording.loss(view.evaluation)),
        ("best", best),
    ]
    lines = wording.flow(pairs, width)
    if len(lines) == 1:
        return lines
    wide = [f"{label:<6}" if label in ("smooth", "best") else f"{label:<5}" for label, _ in pairs]
    return wording.flow([(label, value) for label, (_, value) in zip(wide, pairs, strict=True)], width)


_GIVEN_BACK = "memory given back: p goes on"


def _foot(now: RunNow, width: int) -> list[Line]:
    view, status = now.view, now.status
    steps = view.steps or (status.steps if status else 0)
    done = f"{wording.count(view.step):>{len(wording.count(steps))}}/{wording.count(steps)}"
    epoch = wording.count(status.epoch + 1) if status is not None and view.step else wording.DASH
    pairs = [("rate", wording.rate(view.learning_rate)), ("epoch", epoch)]
    if view.norms:
        pairs.append(("norm", " ".join(f"{norm:.2f}" for norm in view.norms[:3]) + (" …" if view.norms[3:] else "")))
    if now.state == "running" and view.phase not in ("training", ""):
        pairs.append(("now", _phase(view)))
    eta = wording.duration(now.eta_seconds) if now.is_live else wording.DASH
    speed = f"  {wording.speed(view.steps_per_second):>6}  "
    if len(done) + len(speed) + len(eta) + 4 > width:
        speed = f" {speed.strip()} "
    far: Line = ((done, "value"), (speed, ""), ("eta ", "label"), (eta, "value"))
    share = view.step / steps if steps else 0.0
    released: list[Line] = [((_GIVEN_BACK, "warning"),)] if now.state == "paused" and not now.has_worker else []
    return [*released, *wording.flow(pairs, width)[:1], far, _progress(share, width)]


def _progress(share: float, width: int) -> Line:
    room = max(4, width - 5)
    filled = int(share * room)
    return (("━" * filled, "accent"), ("─" * (room - filled), "faint"), (f"{share * 100:4.0f}%", "value"))


def _phase(view: RunView) -> str:
    return counted(view.phase, view.phase_done, view.phase_total)


def _waiting(now: RunNow) -> list[Line]:
    """What there is to say before the first step."""
    if now.view.curve or not now.is_live:
        return []
    phase = _phase(now.view) if now.view.phase else "starting the worker"
    return [(), ((f"{phase} …", "accent"),)]


def _trouble(now: RunNow, width: int) -> list[Line]:
    """Why a run that is not well is not well, and what to do."""
    ended = now.view.ended
    if now.state == "failed" and ended is not None:
        told = [(ended.reason, "bad"), (ended.hint, "")]
    elif now.folder.is_gone:
        told = [("its folder is gone: deleted or moved away", "bad"), (str(now.folder.path), "")]
    elif now.state == "lost":
        told = [("the worker is gone without a last word", "bad"), (f"go on: tinv-tui resume {now.folder.handle}", "")]
        if now.status is None or not now.status.pid:
            told[0] = (f"the worker did not start; see {now.folder.worker_log}", "bad")
    elif now.state == "not-responding":
        told = [
            ("no sign of life from the worker", "bad"),
            (f"it may be stuck: s ends it; see {now.folder.worker_log}", ""),
        ]
    else:
        return []
    lines: list[Line] = []
    for text, role in told:
        lines += [((row, role),) for row in textwrap.wrap(text, width, break_on_hyphens=False)]
    return lines


def _curves(view: RunView, width: int, height: int) -> list[Line]:
    """The smoothed training loss, and below it, where there is room, the evaluation loss over the same steps."""
    room = width - _GUTTER
    low = 0 if not view.evaluations else 2 if height >= 7 else 1 if height >= 3 else 0
    training = chart.columns([(p.step, p.smooth) for p in view.curve], room)
    if not training:
        return []
    lines = _curve(training, height - low, "chart")
    if low:
        first, last = view.curve[0].step, view.curve[-1].step
        evaluation = chart.columns_beside(view.evaluations, first, last, len(training))
        lines += _curve(evaluation, low, "chart-eval", label="eval")
    return lines


def _curve(values: Sequence[float], height: int, role: str, label: str = "") -> list[Line]:
    low, high = chart.limits(values)
    lines: list[Line] = []
    for row, blocks in enumerate(chart.draw(values, max(0, height))):
        gutter = label if row == height - 1 else ""
        if height > 1 and row == 0:
            gutter = f"{high:.3f}"
        elif height > 1 and row == height - 1 and not label:
            gutter = f"{low:.3f}"
        lines.append(((f"{gutter:<{_GUTTER}}", "label"), (blocks, role)))
    return lines
