"""Which vectors become the result, and runs that have only so many minutes."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.worker.helpers import CPU, recipe, train_here
from tinv_tui import paths
from tinv_tui.embeddings.files import Embedding, read_embedding
from tinv_tui.errors import InputError
from tinv_tui.runs.events import Event, read_all
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.run import Run
from tinv_tui.training.evaluation import Evaluation
from tinv_tui.training.state import TrainingState
from tinv_tui.worker.attendant import RunAttendant

BEST = 3


@pytest.fixture(autouse=True)
def _evaluated_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Best at one step, and worse and worse from there."""
    monkeypatch.setattr("tinv_tui.training.loop.evaluation_interval", lambda *_: 1)
    steps = count()
    monkeypatch.setattr(Evaluation, "loss", lambda *_: 1.0 + abs(next(steps) - BEST))


def train(**changes: Any) -> tuple[RunFolder, Event]:
    folder = make_run(plan_run(recipe(**changes), Path.cwd()))
    assert train_here(folder) == 0
    return folder, read_all(folder.events)[-1]


def result() -> Embedding:
    return read_embedding(paths.embeddings_folder() / "zork.safetensors")


def test_the_best_becomes_the_result_where_it_is_wanted() -> None:
    folder, ended = train(training__steps=6, saving__embedding_every=1, saving__result="best")
    assert result().step == BEST
    copy = read_embedding(folder.copies / f"zork-{BEST}.safetensors")
    assert np.array_equal(result().vectors["emb_params"], copy.vectors["emb_params"])
    assert ended["reason"] == f"all steps done; the result is the best so far, of step {BEST}"
    assert TrainingState.load(folder.state, CPU).seconds > 0


@pytest.mark.parametrize("samples", [4, 0])
def test_where_no_step_is_better_than_the_start_the_result_is_the_last_and_that_is_said(
    samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    worse = count()
    monkeypatch.setattr(Evaluation, "loss", lambda *_: 1.0 + next(worse))
    wanted = {"training__steps": 2, "saving__result": "best", "training__evaluation_samples": samples}
    _, ended = train(**wanted)
    assert result().step == 2
    assert ended["reason"] == (
        "all steps done; the result is the last: no step was measured to be better than the start"
    )
    warned = dict(plan_run(recipe(**wanted), Path.cwd()).warnings)
    assert ("best-unmeasured" in warned) == (samples == 0)


async def test_a_run_ends_when_its_minutes_are_over_with_the_best_so_far_and_counts_over_resumes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def six_seconds_a_step(self: RunAttendant, state: TrainingState) -> None:
        state.seconds += 6

    with monkeypatch.context() as patch:
        patch.setattr(RunAttendant, "_count", six_seconds_a_step)
        folder, ended = train(training__steps=10_000, training__minutes=0.6)
    state = TrainingState.load(folder.state, CPU)
    assert (ended["state"], ended["step"], state.seconds) == ("stopped", 6, 36)
    assert ended["reason"] == f"the 0.6 minutes are over; the result is the best so far, of step {BEST}"
    assert result().step == BEST

    with pytest.raises(InputError, match=r"has had its 0\.6 minutes") as caught:
        await Run(folder).resume()
    assert f"tinv-tui resume {folder.handle} --set training.minutes=1.2" in caught.value.hint
    assert train_here(folder) == 0  # a worker that is started by hand
    assert TrainingState.load(folder.state, CPU).seconds > state.seconds
    assert read_all(folder.events)[-1]["step"] == 7
