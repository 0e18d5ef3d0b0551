"""A rate that makes numbers beyond all bounds: back to the last good step, and on from there at half of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.faults import FaultRecord
from tests.worker.helpers import CPU, Onlooker, make_job, recipe, trained
from tests.worker.test_lifecycle import rows_of
from tinv_tui import schedule
from tinv_tui.app.watcher import RunWatcher
from tinv_tui.recipe import Recipe
from tinv_tui.runs.events import read_all
from tinv_tui.training import loop
from tinv_tui.training.loop import Job, train
from tinv_tui.training.state import TrainingState

SPIKE = 2e21
"""A vector of this size overflows in the text encoder, one of a quarter of it does not."""
RATES = f"0.005:8, {SPIKE:g}:1, 0.005"


@pytest.fixture(autouse=True)
def _no_highest_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe refuses such rates for the mistake that they are."""
    monkeypatch.setattr(schedule, "HIGHEST_RATE", math.inf)


def spiked(**changes: object) -> Recipe:
    return recipe(training__steps=14, training__learning_rate=RATES, training__evaluation_samples=2, **changes)


class StopsAt(Onlooker):
    def __init__(self, step: int, file: Path) -> None:
        super().__init__()
        self._step, self._file = step, file

    def goes_on(self, state: TrainingState, last_prompt: str, settle: Callable[[], None]) -> bool:
        if state.step == self._step:
            settle()
            state.save(self._file)
        return state.step != self._step


@pytest.fixture
def job(tmp_path: Path) -> tuple[Job, TrainingState]:
    return make_job(tmp_path, spiked())


def test_a_run_recovers_tells_so_and_leaves_every_step_once(fault: FaultRecord) -> None:
    run = trained(spiked(saving__embedding_every=5, saving__tensorboard=True))
    events = read_all(run.folder.events)
    back = [e for e in events if e["kind"] == "warning" and e["code"] == "rolled-back"]
    assert [e["step"] for e in back] == [8, 8]
    assert "step 10 is not finite" in back[0]["message"]
    changes = [(e["key"], e["old"], e["new"], e["step"]) for e in events if e["kind"] == "changed"]
    assert changes == [("learning_rate", SPIKE, SPIKE / 2, 8), ("learning_rate", SPIKE / 2, SPIKE / 4, 8)]
    assert (events[-1]["kind"], events[-1]["state"], events[-1]["step"]) == ("ended", "finished", 14)

    rows = rows_of(run)
    assert [int(row["step"]) for row in rows] == list(range(1, 15))
    wanted = [0.005] * 8 + [SPIKE / 4] + [0.005 / 4] * 5
    assert [float(row["learn_rate"]) for row in rows] == pytest.approx(wanted)
    assert all(math.isfinite(float(row["loss"])) for row in rows)
    view = RunWatcher(run).look().view
    assert (view.step, [point.step for point in view.curve]) == (14, list(range(1, 15)))
    fault("NaN by a rate that is too high", times=2, steps_lost=1)


def test_where_results_come_late_it_goes_back_as_far_and_learns_the_same(
    job: tuple[Job, TrainingState], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(*job, at_once := Onlooker())
    assert at_once.went_back_to == [8, 8]
    monkeypatch.setattr(loop, "steps_ahead", lambda _device: 2)  # as on a GPU
    (tmp_path / "late").mkdir()
    late_job, late_state = make_job(tmp_path / "late", spiked())
    train(late_job, late_state, late := Onlooker())
    assert late.went_back_to == [8, 8]
    assert torch.equal(late_state.vectors, job[1].vectors)
    assert late.results == at_once.results


@pytest.mark.parametrize("killed_at", [9, 10, 12])
def test_what_is_killed_after_going_back_resumes_to_the_same_bytes(
    killed_at: int, job: tuple[Job, TrainingState], tmp_path: Path
) -> None:
    made, state = job
    start = replace(state, vectors=state.vectors.clone())
    train(made, state, Onlooker())
    again = TrainingState.fresh(start.vectors)
    again.environment = state.environment
    train(made, again, StopsAt(killed_at, tmp_path / "killed.safetensors"))
    resumed = TrainingState.load(tmp_path / "killed.safetensors", CPU)
    train(made, resumed, Onlooker())
    for name in ("vectors", "moment1", "moment2", "best_vectors"):
        assert torch.equal(getattr(resumed, name), getattr(state, name)), name
    assert (resumed.rate_factor, resumed.times_halved) == (state.rate_factor, state.times_halved) == (0.25, 2)


def test_other_rates_start_at_their_full_height_again(job: tuple[Job, TrainingState]) -> None:
    made, state = job
    train(made, state, Onlooker())
    assert state.rate_factor == 0.25
    other = make_other(made)
    train(other, state, seen := Onlooker())
    assert [result.learning_rate for result in seen.results] == [0.002] * 2
    assert (state.rate_factor, state.times_halved) == (1.0, 0)


def make_other(job: Job) -> Job:
    wanted = recipe(training__steps=16, training__learning_rate="0.002", training__evaluation_samples=2)
    return replace(job, recipe=wanted, rates=schedule.parse_rates("0.002", 16))
