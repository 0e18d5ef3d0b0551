"""Other ways to compute a step: played back, compiled, in fp16 with a loss scale. They come to the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.worker.helpers import CPU, Onlooker, gradient, make_job, recipe
from tests.worker.test_exactness import plain_gradient, relative_error
from tinv_tui.models.frozen.packed import can_pack
from tinv_tui.training import loss_scale
from tinv_tui.training.loop import train
from tinv_tui.training.state import TrainingState


def test_a_run_played_back_learns_the_same_to_the_bit(tmp_path: Path) -> None:
    wanted: dict[str, Any] = {
        "training__steps": 9,
        "training__learning_rate": "0.005:5, 0.002",
        "training__gradient_accumulation": 2,
        "training__batch_size": 2,
        "training__clip": "norm",
        "training__clip_schedule": "0.5:4, 0.1",
        "training__cap_norm": True,
        "dataset__flip": True,
    }
    job, played = make_job(tmp_path, recipe(**wanted))
    plain = played.copy()
    train(job, played, seen := Onlooker())
    assert seen.notes == ["steps are played back from recorded calls"]
    eager = replace(job, recipe=recipe(**wanted, training__acceleration="eager"))
    train(eager, plain, seen := Onlooker())
    assert seen.notes == []
    for name in ("vectors", "moment1", "moment2"):
        assert torch.equal(getattr(played, name), getattr(plain, name)), name


@pytest.mark.skipif(not can_pack(torch.float32), reason="this torch or processor packs no weights")
def test_on_packed_weights_a_run_learns_the_same_and_is_played_back_to_the_bit(tmp_path: Path) -> None:
    wanted = recipe(training__steps=5)
    job, played = make_job(tmp_path, wanted, operators="packed")
    assert "weights packed once" in job.model.computing
    assert relative_error(gradient(job, played), plain_gradient(job, played.vectors.clone())) <= 1e-5
    plain = played.copy()
    train(job, played, seen := Onlooker())
    assert seen.notes == ["steps are played back from recorded calls"]
    train(replace(job, recipe=recipe(training__steps=5, training__acceleration="eager")), plain, Onlooker())
    assert torch.equal(played.vectors, plain.vectors)


def test_an_overflow_of_fp16_lowers_the_loss_scale_and_no_step_is_lost_or_counted_twice(tmp_path: Path) -> None:
    few = {"training__steps": 2, "training__batch_size": 1, "training__evaluation_samples": 0}
    wanted = recipe(**few, training__precision="fp16")
    job, state = make_job(tmp_path, wanted)
    assert job.model.dtype == torch.float16
    straight = replace(state.copy(), loss_scale=2.0**10)
    state.loss_scale = 2.0**24  # a gradient times this is beyond fp16
    train(job, state, seen := Onlooker())
    assert [result.step for result in seen.results] == [1, 2]
    assert seen.went_back_to == []
    assert (state.rate_factor, state.times_halved) == (1.0, 0)
    assert seen.loss_scales
    assert seen.loss_scales[-1] == (state.scaled_since, state.loss_scale)
    train(job, straight, Onlooker())
    assert torch.allclose(straight.vectors, state.vectors, atol=0.02)

    state.save(tmp_path / "state")
    again = TrainingState.load(tmp_path / "state", CPU)
    assert (again.loss_scale, again.scaled_since) == (state.loss_scale, state.scaled_since)


def test_the_loss_scale_grows_where_it_has_held_and_other_formats_have_none() -> None:
    state = TrainingState.fresh(torch.zeros(1, 4))
    loss_scale.settle(state, torch.float32)
    assert (state.loss_scale, loss_scale.can_shrink(state)) == (0, False)
    loss_scale.settle(state, torch.float16)
    assert state.loss_scale == loss_scale.FIRST
    state.step = loss_scale.GROWS_AFTER - 1
    loss_scale.settle(state, torch.float16)
    assert state.loss_scale == loss_scale.FIRST
    state.step += 1
    loss_scale.settle(state, torch.float16)
    assert (state.loss_scale, state.scaled_since) == (2 * loss_scale.FIRST, state.step)
    state.loss_scale = 1.0
    assert not loss_scale.can_shrink(state)


@pytest.mark.long
@pytest.mark.timeout(400)  # the compiler alone takes 90 s where nothing is cached
def test_a_compiled_unet_has_the_same_gradient(tmp_path: Path) -> None:
    gradients = []
    for acceleration in ("eager", "compile"):
        job, state = make_job(tmp_path, recipe(training__acceleration=acceleration, training__batch_size=1))
        gradients.append(gradient(job, state))
        assert ("compiled" in job.model.computing) == (acceleration == "compile"), job.model.computing
    assert relative_error(gradients[1], gradients[0]) <= 1e-4
