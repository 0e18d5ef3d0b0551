"""Several runs side by side: their curves, the settings they differ in, their previews at the same steps."""

from __future__ import annotations

import csv
import heapq
import io
import math
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from tinv_tui.atomic import write_atomic
from tinv_tui.errors import InputError
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.budget import seconds_spent
from tinv_tui.runs.curve import LossRow, LossTail, Smoothing, read_losses
from tinv_tui.runs.events import EventReader
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.history import RunHistory
from tinv_tui.runs.liveness import state_of

_NOT_SETTINGS = ("embedding.name", "embedding.overwrite")
"""A run that is made again differs in these by itself."""
GONE = "gone"
"""The state of a run whose folder was deleted or moved away."""


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs, as it is now. ``recipe`` maps ``section.key`` to its value; None where it cannot be read."""

    name: str
    """What a person types to mean it; of several of one name the day too."""
    state: str
    step: int
    steps: int
    recipe: dict[str, object] | None
    smoothed: tuple[LossRow, ...]
    evaluations: tuple[LossRow, ...]
    best: LossRow | None
    training_seconds: float | None
    """Time spent by all its workers, as of its newest checkpoint: without loading, encoding and pauses."""
    previews: dict[int, Path]
    """By step; the last one where several were drawn."""
    table: Path | None = None
    """Its losses, step by step, where ``smoothed`` is as fine as a plot."""

    @property
    def last_loss(self) -> float | None:
        """The smoothed training loss where it stands."""
        return self.smoothed[-1][1] if self.smoothed else None


def with_the_one_before(run: RunFolder | None, runs: Sequence[RunFolder]) -> list[RunFolder]:
    """A run (None: the newest) behind the one that was made before it; empty where there is none. ``runs``: newest first."""
    at = 0 if run is None else next((i for i, other in enumerate(runs) if other.path == run.path), len(runs))
    return [runs[at + 1], runs[at]] if at + 1 < len(runs) else []


def read_all(folders: Sequence[RunFolder]) -> list[ComparedRun]:
    """Reads the runs, in that order, each under a name of its own."""
    times = Counter(folder.handle for folder in folders)
    return [
        run if times[folder.handle] == 1 else replace(run, name=shlex.quote(f"{folder.path.parent.name}/{folder.name}"))
        for folder, run in ((folder, read_compared(folder)) for folder in folders)
    ]


def read_compared(folder: RunFolder) -> ComparedRun:
    """Reads what there is; a run that is being deleted has less."""
    state, status = state_of(folder)
    history = RunHistory()
    history.follow(LossTail(folder.losses))
    try:
        history.add_events(EventReader(folder.events).read_new(newest_step_only=history.has_table))
    except OSError:
        pass
    view = history.view()
    return ComparedRun(
        name=folder.handle,
        state=GONE if folder.is_gone else state,
        step=status.step if status else view.step,
        steps=status.steps if status else view.steps,
        recipe=_settings(folder),
        smoothed=tuple((point.step, point.smooth) for point in view.curve),
        evaluations=view.evaluations,
        best=view.best,
        training_seconds=seconds_spent(folder) or None,
        previews={preview.step: preview.path for preview in view.previews},
        table=folder.losses if history.has_table else None,
    )


def differing_keys(runs: Sequence[ComparedRun]) -> list[tuple[str, list[object]]]:
    """Settings that are not the same in all runs, in the order of the recipe, with each run's value."""
    known = [run.recipe for run in runs if run.recipe is not None]
    found = []
    for key in dict.fromkeys(key for recipe in known for key in recipe):
        values = [recipe.get(key) for recipe in known]
        if key not in _NOT_SETTINGS and any(value != values[0] for value in values):
            found.append((key, [None if run.recipe is None else run.recipe.get(key) for run in runs]))
    return found


def common_steps(runs: Sequence[ComparedRun]) -> list[int]:
    """The steps of which every run that has previews has one, in order."""
    drawn = [set(run.previews) for run in runs if run.previews]
    return sorted(set.intersection(*drawn)) if drawn else []


def write_curves(runs: Sequence[ComparedRun], path: Path) -> None:
    """A CSV of a row per step: for each run its smoothed training loss and its evaluation loss. Raises OSError."""
    columns = [column for run in runs for column in (_every_step(run), iter(run.evaluations))]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", *(f"{run.name} {kind}" for run in runs for kind in ("smoothed", "evaluation"))])
    told = heapq.merge(*(_of_column(number, losses) for number, losses in enumerate(columns)))
    for step, cells in groupby(told, key=itemgetter(0)):
        row = [""] * len(columns)
        for _, number, loss in cells:
            row[number] = f"{loss:.7f}"
        writer.writerow([step, *row])
    write_atomic(path, text.getvalue())


def _every_step(run: ComparedRun) -> Iterator[LossRow]:
    if run.table is None:
        yield from run.smoothed
        return
    smoothing = Smoothing()
    for step, loss in read_losses(run.table):
        if math.isfinite(loss):
            yield step, smoothing.add(loss)


def _of_column(number: int, losses: Iterator[LossRow]) -> Iterator[tuple[int, int, float]]:
    return ((step, number, loss) for step, loss in losses)


def free_path(folder: Path, names: Sequence[str]) -> Path:
    """Where a table of these runs can be written: one that was written before stays."""
    stem = "compare-" + "-".join(names)
    number = 1
    while (path := folder / f"{stem[:200]}{'' if number == 1 else f'-{number}'}.csv").exists():
        number += 1
    return path


def _settings(folder: RunFolder) -> dict[str, object] | None:
    try:
        recipe = load_recipe(folder.recipe)
    except (InputError, OSError):
        return None
    sections = recipe.model_dump(mode="json")
    return {f"{section}.{key}": value for section, values in sections.items() for key, value in values.items()}
