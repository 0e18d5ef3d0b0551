"""A rate that makes numbers beyond all bounds: back to the last good step, and on from there at half of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
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


@pytest.fixture(scope="module", autouse=True)
def _no_highest_rate() -> Iterator[None]:
    """A recipe refuses such rates for the mistake that they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule, "HIGHEST_RATE", math.inf)
        yield


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


@dataclass(frozen=True)
class Whole:
    """A run that went back, from its first vectors to its end; only looked at."""

    job: Job
    start: torch.Tensor
    end: TrainingState
    seen: Onlooker

    def fresh(self) -> TrainingState:
        state = TrainingState.fresh(self.start.clone())
        state.environment = self.end.environment
        return state


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    job, state = make_job(tmp_path_factory.mktemp("whole"), spiked())
    start = state.vectors.clone()
    train(job, state, seen := Onlooker())
    return Whole(job, start, state, seen)


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
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert whole.seen.went_back_to == [8, 8]
    monkeypatch.setattr(loop, "steps_ahead", lambda _device: 2)  # as on a GPU
    train(whole.job, late_state := whole.fresh(), late := Onlooker())
    assert late.went_back_to == [8, 8]
    assert torch.equal(late_state.vectors, whole.end.vectors)
    assert late.results == whole.seen.results


@pytest.mark.parametrize("killed_at", [9, 10, 12])
def test_what_is_killed_after_going_back_resumes_to_the_same_bytes(
    killed_at: int, whole: Whole, tmp_path: Path
) -> None:
    train(whole.job, whole.fresh(), StopsAt(killed_at, tmp_path / "killed.safetensors"))
    resumed, state = TrainingState.load(tmp_path / "killed.safetensors", CPU), whole.end
    train(whole.job, resumed, Onlooker())
    for name in ("vectors", "moment1", "moment2", "best_vectors"):
        assert torch.equal(getattr(resumed, name), getattr(state, name)), name
    assert (resumed.rate_factor, resumed.times_halved) == (state.rate_factor, state.times_halved) == (0.25, 2)


def test_other_rates_start_at_their_full_height_again(whole: Whole, tmp_path: Path) -> None:
    whole.end.save(tmp_path / "end.safetensors")
    state = TrainingState.load(tmp_path / "end.safetensors", CPU)
    assert state.rate_factor == 0.25
    train(make_other(whole.job), state, seen := Onlooker())
    assert [result.learning_rate for result in seen.results] == [0.002] * 2
    assert (state.rate_factor, state.times_halved) == (1.0, 0)


def make_other(job: Job) -> Job:
    wanted = recipe(training__steps=16, training__learning_rate="0.002", training__evaluation_samples=2)
    return replace(job, recipe=wanted, rates=schedule.parse_rates("0.002", 16))
