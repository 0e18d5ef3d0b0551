"""The loss of the run: its curve, its numbers, how far it is and how long it will take."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from tinv_tui.app import wording
from tinv_tui.app.keys import bindings, name_of
from tinv_tui.app.loss_chart import WINDOWS, LossLook, draw_loss, sparkline
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.pane import Pane
from tinv_tui.app.wording import Line
from tinv_tui.printable import wrapped
from tinv_tui.runs.phases import counted

if TYPE_CHECKING:
    from tinv_tui.app.watcher import RunNow
    from tinv_tui.runs.history import RunView

_CHART_BYTES_PER_SECOND = 1000
"""What a chart that is drawn anew may cost on a slow link: a large one is drawn less often, its numbers every time."""

_TAKEN_BY_A_WORKER = frozenset({"run.preview", "run.save", "run.change", "run.release", "run.stop"})
"""Keys of a live run that has one."""
_LEAST_HEIGHT = 4
"""Below that, folded, one line tells it all."""
_LEAST_CHART = 3
"""Rows of a chart beside what is wrong."""


class LossPane(Pane):
    BINDINGS: ClassVar[list[BindingType]] = bindings("train", "loss-pane")

    def __init__(self) -> None:
        super().__init__("Loss", id="loss-pane", can_focus=True)
        self._now: RunNow | None = None
        self.look = LossLook()
        self._chart: list[Line] = []
        self._chart_of: tuple[object, ...] = ()
        self._chart_holds_until = 0.0

    def compose(self) -> ComposeResult:
        yield Lines(id="loss-lines")

    @property
    def text(self) -> Lines:
        return self.query_one("#loss-lines", Lines)

    @property
    def idle_keys(self) -> frozenset[str]:
        if self._now is None:
            return frozenset({"embedding.try"})
        return _TAKEN_BY_A_WORKER if self._now.is_live and not self._now.has_worker else frozenset()

    def show(self, now: RunNow | None) -> None:
        self._now = now
        self.set_class(now is not None and now.state in ("failed", "lost", "not-responding"), "-trouble")
        self._rebuild()

    def action_window(self) -> None:
        """Show all steps, or only the newest thousand or hundred."""
        at = WINDOWS.index(self.look.window)
        self._look_at(replace(self.look, window=WINDOWS[(at + 1) % len(WINDOWS)]))

    def action_scale(self) -> None:
        """Losses by their logarithm, or as they are."""
        self._look_at(replace(self.look, log=not self.look.log))

    def _look_at(self, look: LossLook) -> None:
        self.look = look
        self._rebuild()

    def on_resize(self) -> None:
        self._rebuild()

    def _rebuild(self) -> None:
        now = self._now
        title = "Loss" if now is None else f"Loss  {wording.cut(now.name, 20)} {wording.state_piece(now.state)[0]}"
        self.set_title(title, self.look.in_words())
        width, height = self.text.size
        if not width or not height:
            return
        if self._now is None:
            ways = f"fill in the form, then {name_of('run.start')}", f"{name_of('app.runs')} lists those that were made"
            self.text.show([((said, "label"),) for said in ("no run is watched", *ways)])
            return
        if height < _LEAST_HEIGHT:
            self.text.show([_in_short(self._now, self.look, width)])
            return
        foot = _foot(self._now, width)
        room = max(0, height - len(foot))
        trouble = _trouble(self._now, width)[:room]
        head, room = _numbers(self._now, width), room - len(trouble)
        if trouble and (not self._now.view.curve or room - len(head) < _LEAST_CHART):
            head = []  # what is wrong comes first, then the curve of what was learned
        room -= len(head)
        body = [] if trouble else _waiting(self._now)[: max(0, room)]
        if not body and (not trouble or room >= _LEAST_CHART):
            body = self._drawn(self._now, width, room)
        blank = [()] * max(0, room - len(body))
        self.text.show([*trouble, *head, *body, *blank, *foot])

    def _drawn(self, now: RunNow, width: int, height: int) -> list[Line]:
        """The chart; while it is too large to be sent again so soon, the one before."""
        wanted = (now.folder, now.state, self.look, width, height)
        if wanted != self._chart_of or not self._chart or time.monotonic() >= self._chart_holds_until:
            self._chart, self._chart_of = draw_loss(now.view, self.look, width, height), wanted
            cost = sum(len(text.encode()) + 20 for line in self._chart for text, _ in line)
            self._chart_holds_until = time.monotonic() + cost / _CHART_BYTES_PER_SECOND - 1.0
        return self._chart


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


_GRADIENT = len("1.23e-05")
"""The bar beside it keeps its length."""


def _foot(now: RunNow, width: int) -> list[Line]:
    """How it is learned, as much as fits, and how far it is."""
    view, status = now.view, now.status
    steps = _steps(now)
    done = f"{wording.count(view.step):>{len(wording.count(steps))}}/{wording.count(steps)}"
    number = view.epoch if view.epoch is not None or status is None else status.epoch
    epoch = wording.count(number + 1) if number is not None and view.step else wording.DASH
    pairs = [("rate", wording.rate(view.learning_rate)), ("epoch", epoch)]
    if view.norms:
        most = max(3, (width - 40) // 5)
        pairs.append(
            ("norm", " ".join(f"{norm:.2f}" for norm in view.norms[:most]) + (" …" if view.norms[most:] else ""))
        )
    if now.state == "running" and view.phase not in ("training", ""):
        pairs.append(("now", _phase(view)))
    eta = wording.duration(now.eta_seconds)
    speed = f"  {wording.speed(view.steps_per_second):>6}  "
    if len(done) + len(speed) + len(eta) + 4 > width:
        speed = f" {speed.strip()} "
    far: Line = ((done, "value"), (speed, ""), ("eta ", "label"), (eta, "value"))
    share = view.step / steps if steps else 0.0
    released = list[Line]()
    if now.state == "paused" and not now.has_worker:
        released.append(((f"memory given back: {name_of('run.pause')} goes on", "warning"),))
    if view.gradient_norm is None:
        return [*released, *wording.flow(pairs, width)[:1], far, _progress(share, width)]
    gradient = ("grad", f"{view.gradient_norm:.3g}")
    how = wording.flow([*pairs, gradient], width)
    if len(how) == 1:
        return [*released, *how, far, _progress(share, width)]
    beside: Line = (("  grad ", "label"), (f"{gradient[1]:<{_GRADIENT}}", "value"))
    room = width - sum(len(text) for text, _ in beside)
    return [*released, *wording.flow(pairs, width)[:1], far, (*_progress(share, room), *beside)]


def _steps(now: RunNow) -> int:
    """How many there are to be; 0 where that is not told yet."""
    return now.view.steps or (now.status.steps if now.status else 0)


def _in_short(now: RunNow, look: LossLook, width: int) -> Line:
    """How low the loss is, how it came there, and how far the run is; or what is wrong with it."""
    wrong = _trouble(now, width)
    if wrong or not now.view.step:
        waits = wrong or [line for line in _waiting(now) if line]
        return waits[0] if waits else (("nothing yet", "label"),)
    steps = _steps(now)
    share = f"{now.view.step / steps * 100:4.0f}%" if steps else ""
    value = now.view.smooth if now.view.smooth is not None else now.view.loss
    far = f"{share}  eta {wording.duration(now.eta_seconds):<6}" if now.is_live else share
    curve = sparkline(now.view, look, width - 6 - 2 - len(far))
    return ((wording.loss(value), "value"), (" ", ""), (curve, "chart"), (" ", ""), (far, ""))


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


def _goes_on(handle: str) -> str:
    return f"{name_of('runs.resume')} in Runs ({name_of('app.runs')}) goes on with it, or: tinv-tui resume {handle}"


def _trouble(now: RunNow, width: int) -> list[Line]:
    """Why a run that is not well is not well, and what to do."""
    ended = now.view.ended
    if now.state == "failed" and ended is not None:
        told = [(ended.reason, "bad"), (ended.hint, "")]
    elif now.folder.is_gone:
        told = [("its folder is gone: deleted or moved away", "bad"), (str(now.folder.path), "")]
    elif now.state == "lost":
        told = [("the worker is gone without a last word", "bad"), (_goes_on(now.folder.handle), "")]
        if now.status is None or not now.status.pid:
            told[0] = (f"the worker did not start; see {now.folder.worker_log}", "bad")
    elif now.state == "not-responding":
        told = [
            ("no sign of life from the worker", "bad"),
            (f"it may be stuck: {name_of('run.stop')} ends it; see {now.folder.worker_log}", ""),
        ]
    else:
        return []
    lines: list[Line] = []
    for text, role in told:
        lines += [((row, role),) for row in wrapped(text, width, break_on_hyphens=False)]
    return lines
