"""What a run warns of while it goes on: that it learns nothing, that its vectors grow beyond the vocabulary's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.worker.helpers import CPU, Onlooker, make_job, recipe, trained
from tinv_tui.runs.events import Event, read_all
from tinv_tui.runs.run import Run
from tinv_tui.training.loop import train
from tinv_tui.training.norms import NormRange
from tinv_tui.training.state import TrainingState

HIGH_RATE = "0.1"


def warned(run: Run, code: str) -> list[Event]:
    return [e for e in read_all(run.folder.events) if e["kind"] == "warning" and e["code"] == code]


def test_a_rate_too_small_to_move_a_number_is_warned_of_within_20_steps() -> None:
    run = trained(recipe(training__steps=20, training__learning_rate="1e-30", training__evaluation_samples=0))
    (told,) = warned(run, "not-learning")
    assert "have not moved" in told["message"]
    assert "training.learning_rate" in told["hint"]
    assert warned(run, "norm-large") == []


def test_vectors_longer_than_the_vocabularys_are_warned_of_once() -> None:
    run = trained(recipe(training__steps=24, training__learning_rate=HIGH_RATE, training__evaluation_samples=2))
    (told,) = warned(run, "norm-large")
    assert "longer than any of the vocabulary" in told["message"]
    assert "tinv-tui set zork training.cap_norm=true" in told["hint"]
    assert warned(run, "not-learning") == []
    again = trained(recipe(training__steps=3, training__learning_rate="0.001", training__evaluation_samples=2))
    assert warned(again, "norm-large") == []


class StopsAt(Onlooker):
    def __init__(self, step: int) -> None:
        super().__init__()
        self._step = step

    def goes_on(self, state: TrainingState, last_prompt: str, settle: Callable[[], None]) -> bool:
        return state.step != self._step


def test_capped_vectors_stay_within_the_vocabulary_and_resume_to_the_same_bytes(tmp_path: Path) -> None:
    wanted = recipe(
        embedding__vectors=2, training__steps=16, training__learning_rate=HIGH_RATE, training__evaluation_samples=0
    )
    job, state = make_job(tmp_path, wanted)
    start, norms = state.vectors.clone(), NormRange(job.model)
    train(job, state, Onlooker())
    assert norms.excess(state.vectors) > 1.5

    capped = replace(
        job, recipe=wanted.model_copy(update={"training": wanted.training.model_copy(update={"cap_norm": True})})
    )
    whole = TrainingState.fresh(start)
    train(capped, whole, Onlooker())
    assert norms.excess(whole.vectors) == pytest.approx(1, abs=1e-6)

    stopped = TrainingState.fresh(start)
    train(capped, stopped, StopsAt(9))
    stopped.save(tmp_path / "stopped.safetensors")
    resumed = TrainingState.load(tmp_path / "stopped.safetensors", CPU)
    train(capped, resumed, Onlooker())
    assert torch.equal(resumed.vectors, whole.vectors)


def test_a_cap_touches_only_what_is_longer_and_each_encoder_by_itself() -> None:
    ranged = NormRange.__new__(NormRange)
    ranged._widths, ranged._largest = (2, 3), [5.0, 1.0]
    rows = torch.tensor([[3.0, 4.0, 0.5, 0.0, 0.0], [6.0, 8.0, 0.0, 2.0, 0.0]])
    ranged.cap(rows)
    torch.testing.assert_close(rows, torch.tensor([[3.0, 4.0, 0.5, 0.0, 0.0], [3.0, 4.0, 0.0, 1.0, 0.0]]))
