"""What a run's story comes to so far: events and loss rows go in, one frozen view to draw comes out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from tinv_tui.printable import many
from tinv_tui.runs.curve import CurvePoint, LossCurve, LossRow, LossTail
from tinv_tui.runs.events import Event

Level = Literal["plain", "good", "warning", "bad"]

_LOG_LINES = 1000


@dataclass(frozen=True)
class Saved:
    step: int
    path: Path


@dataclass(frozen=True)
class Preview:
    step: int
    path: Path
    prompt: str
    seed: int | None


Happening = Literal["rate", "copy", "preview", "rollback"]


@dataclass(frozen=True)
class Marker:
    """Something that happened at a step: its learning rate is a new one, a file was saved, the run went back to it."""

    step: int
    what: Happening


@dataclass(frozen=True)
class Ended:
    state: str
    step: int
    reason: str
    hint: str
    embedding: str | None


@dataclass(frozen=True)
class LogLine:
    """``at`` is the local wall clock."""

    at: datetime
    text: str
    level: Level = "plain"


@dataclass(frozen=True)
class RunView:
    """A run at one moment. Losses are per step; what is not known yet is None or empty."""

    phase: str = ""
    phase_done: int = 0
    phase_total: int = 0
    device: str = ""
    step: int = 0
    epoch: int | None = None
    """Of that step, from 0; None in runs of versions that did not tell it."""
    steps: int = 0
    loss: float | None = None
    smooth: float | None = None
    learning_rate: float | None = None
    steps_per_second: float | None = None
    told_seconds_left: float | None = None
    """As its worker told it with the newest step; None in runs of versions that did not."""
    curve: tuple[CurvePoint, ...] = ()
    recent: tuple[CurvePoint, ...] = ()
    """The newest losses, one by one."""
    markers: tuple[Marker, ...] = ()
    evaluations: tuple[LossRow, ...] = ()
    best: LossRow | None = None
    gradient_norm: float | None = None
    """Euclidean, of all vectors together, before clipping; None in runs of versions that did not tell it."""
    norms: tuple[float, ...] = ()
    """Euclidean length of each vector, as of the last evaluation."""
    copies: tuple[Saved, ...] = ()
    previews: tuple[Preview, ...] = ()
    log: tuple[LogLine, ...] = ()
    ended: Ended | None = None

    @property
    def evaluation(self) -> float | None:
        return self.evaluations[-1][1] if self.evaluations else None

    @property
    def eta_seconds(self) -> float | None:
        """Time left by the wall clock, pauses not counted; where that was not told, at the rate of the steps alone."""
        if self.ended is not None or not self.steps_per_second:
            return None
        if self.told_seconds_left is not None:
            return self.told_seconds_left
        return max(0, self.steps - self.step) / self.steps_per_second


class RunHistory:
    """Gathers a run. Once it is given rows of the loss table, the curve is made of those: they hold every step."""

    def __init__(self) -> None:
        self._facts: dict[str, Any] = {}
        self._curve = LossCurve()
        self._has_table = False
        self._loss: float | None = None
        self._evaluations: list[LossRow] = []
        self._best: LossRow | None = None
        self._rate_changes: list[int] = []
        self._rollbacks: list[int] = []
        self._copies: list[Saved] = []
        self._previews: list[Preview] = []
        self._log: list[LogLine] = []
        self._ended: Ended | None = None

    @property
    def has_table(self) -> bool:
        """Whether the curve is made of the loss table, so that of the events of steps only the newest matters."""
        return self._has_table

    def follow(self, table: LossTail) -> None:
        """Take up all rows that are new in a loss table."""
        while True:
            rows = table.read_new()
            self.add_losses(rows, table.rate_changes, anew=table.began_anew)
            if not rows:
                return

    def add_losses(self, rows: Sequence[LossRow], rate_changes: Sequence[int] = (), *, anew: bool = False) -> None:
        """Rows of the loss table, in order; ``anew`` when they start from its top again.

        ``rate_changes`` are all the steps the table says had a new learning rate.
        """
        if rows and not self._has_table or anew:
            self._curve = LossCurve(of_every_step=True)
        self._has_table = self._has_table or bool(rows)
        if self._has_table:
            self._rate_changes = list(rate_changes)
        for step, loss in rows:
            self._curve.add(step, loss)

    def add_events(self, events: Iterable[Event]) -> None:
        for event in events:
            take = getattr(self, f"_take_{event['kind']}", None)
            if take is not None:
                try:
                    take(event)
                except (KeyError, TypeError, ValueError):
                    continue  # of a later version, or damaged: the rest of the story is still good

    def view(self) -> RunView:
        points = self._curve.points()
        return RunView(
            **self._facts,
            loss=self._loss,
            smooth=points[-1].smooth if points else None,
            curve=points,
            recent=self._curve.recent(),
            markers=self._markers(),
            evaluations=tuple(self._evaluations),
            best=self._best,
            copies=tuple(self._copies),
            previews=tuple(self._previews),
            log=tuple(self._log[-_LOG_LINES:]),
            ended=self._ended,
        )

    def _markers(self) -> tuple[Marker, ...]:
        happened: list[tuple[Happening, Iterable[int]]] = [
            ("rate", self._rate_changes),
            ("copy", (saved.step for saved in self._copies)),
            ("preview", (preview.step for preview in self._previews)),
            ("rollback", self._rollbacks),
        ]
        return tuple(Marker(step, what) for what, steps in happened for step in steps)

    def _take_started(self, event: Event) -> None:
        step = int(event["from_step"])
        self._facts |= {"steps": int(event["steps"]), "step": step, "device": str(event.get("device", ""))}
        self._ended = None
        self._go_back(step)
        on = f"on {event.get('device', '?')}: {event.get('model', '?')}, {event.get('pictures', '?')} pictures"
        said = f"resumed at step {step} of {event['steps']}" if step else f"started, {event['steps']} steps"
        self._say(event, f"{said} {on}, seed {event.get('seed', '?')}")

    def _take_phase(self, event: Event) -> None:
        name, done, total = str(event["name"]), int(event.get("done", 0)), int(event.get("total", 0))
        if name == "waiting":
            self._say(event, str(event["message"]))
        elif name == "loading" and self._facts.get("phase") != "loading":
            self._say(event, "loading the model")
        elif name == "encoding" and done == total:
            cached = int(event.get("cached", 0))
            known = f", {cached} of them by an earlier run" if cached else ""
            self._say(event, f"{many(total, 'picture')} encoded{known}")
        self._facts |= {"phase": name, "phase_done": done, "phase_total": total}

    def _go_back(self, step: int) -> None:
        """The steps after this one are made again."""
        self._facts["step"] = step
        self._evaluations = [e for e in self._evaluations if e[0] <= step]
        if self._best is not None and self._best[0] > step:
            self._best = min(self._evaluations, key=lambda row: row[1], default=None)

    def _take_step(self, event: Event) -> None:
        self._loss = float(event["loss"])
        self._facts |= {key: event.get(key) for key in ("epoch", "learning_rate")} | {"step": int(event["step"])}
        self._facts["gradient_norm"] = event.get("gradient_norm")
        self._facts["told_seconds_left"] = event.get("eta_seconds")
        self._facts["steps_per_second"] = event.get("steps_per_second") or self._facts.get("steps_per_second")
        if not self._has_table and int(event["step"]) > self._curve.last_step:
            self._curve.add(int(event["step"]), self._loss)

    def _take_evaluation(self, event: Event) -> None:
        row = int(event["step"]), float(event["loss"])
        self._evaluations.append(row)
        self._facts["norms"] = tuple(float(norm) for norm in event.get("norms", ()))
        if event.get("best"):
            self._best = row

    def _take_saved(self, event: Event) -> None:
        path = Path(event["path"])
        if event["what"] == "copy":
            self._copies.append(Saved(int(event["step"]), path))
            self._say(event, f"copy {path.name}")
        elif event["what"] == "result":
            self._say(event, f"result {path}", "good")

    def _take_preview(self, event: Event) -> None:
        preview = Preview(int(event["step"]), Path(event["path"]), str(event.get("prompt", "")), event.get("seed"))
        self._previews.append(preview)
        self._say(event, f"preview {preview.path.name}")

    def _take_changed(self, event: Event) -> None:
        if event["key"] == "training.steps":
            self._facts["steps"] = int(event["new"])
        elif event["key"] in ("learning_rate", "training.learning_rate") and not self._has_table:
            self._rate_changes.append(int(event["step"]) + 1)
        self._say(event, f"{event['key']} {event['old']} → {event['new']} after step {event['step']}")

    def _take_warning(self, event: Event) -> None:
        if event.get("code") == "rolled-back":
            self._go_back(int(event["step"]))
            self._rollbacks.append(int(event["step"]))
        hint = f" {event['hint']}" if event.get("hint") else ""
        self._say(event, f"{event['message']}.{hint}" if hint else str(event["message"]), "warning")

    def _take_note(self, event: Event) -> None:
        self._say(event, str(event["message"]))

    def _take_ack(self, event: Event) -> None:
        said = str(event.get("message", ""))
        if self._log and self._log[-1].text == said:
            return  # a change is told by its own event too
        self._say(
            event,
            said if event.get("ok") else f"{event['command']} was refused: {said}",
            "plain" if event.get("ok") else "bad",
        )

    def _take_ended(self, event: Event) -> None:
        state, step = str(event["state"]), int(event["step"])
        if state == "paused":  # its worker is gone, the run is not over
            self._facts |= {"phase": "", "steps_per_second": None}
            self._say(event, f"paused at step {step}: {event.get('reason', '')}")
            return
        self._ended = Ended(
            state, step, str(event.get("reason", "")), str(event.get("hint", "")), event.get("embedding")
        )
        self._facts |= {"phase": ""}
        hint = f". {self._ended.hint}" if self._ended.hint else ""
        level: Level = "bad" if state == "failed" else "good"
        self._say(event, f"{state} at step {step}: {self._ended.reason}{hint}", level)

    def _say(self, event: Event, text: str, level: Level = "plain") -> None:
        self._log.append(LogLine(datetime.fromisoformat(event["t"]).astimezone(), text, level))
        if len(self._log) > 2 * _LOG_LINES:
            del self._log[:_LOG_LINES]
