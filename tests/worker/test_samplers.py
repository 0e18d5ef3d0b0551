"""Every sampler of the recipe really draws, on the bundled model."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from tests.worker.helpers import make_job, recipe
from tinv_tui.sections import PreviewSection, Sampler
from tinv_tui.training import samplers
from tinv_tui.training.loop import Job
from tinv_tui.training.previews import draw_preview
from tinv_tui.training.samplers import SAMPLERS
from tinv_tui.training.state import TrainingState

ALL = get_args(Sampler)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, TrainingState]:
    return make_job(tmp_path_factory.mktemp("job"), recipe())


def draw(made: tuple[Job, TrainingState], sampler: str, steps: int, seed: int = 42) -> np.ndarray[Any, Any]:
    job, state = made
    settings = PreviewSection(sampler=sampler, steps=steps, cfg=3.0)  # type: ignore[arg-type]
    torch.manual_seed(np.random.default_rng().integers(2**31))  # what else is drawn must not matter
    image = draw_preview(
        job.model,
        job.encoder,
        job.prompts,
        state.vectors,
        "a red circle on a white background",
        settings,
        (64, 64),
        seed,
    )
    return np.asarray(image).astype(int)


def test_the_recipe_and_the_table_name_the_same_samplers() -> None:
    assert set(ALL) == set(SAMPLERS)


@pytest.fixture(scope="module")
def drawn(made: tuple[Job, TrainingState]) -> dict[str, np.ndarray[Any, Any]]:
    """A red circle on white by each sampler. PLMS begins to work late, and added noise takes some steps to go."""
    slow = ("plms", "dpm++ sde", "dpm++ 2m sde", "dpm++ 2m sde karras", "dpm2 a", "dpm2 a karras")
    return {sampler: draw(made, sampler, 10 if sampler in slow else 5) for sampler in ALL}


@pytest.mark.parametrize("sampler", ALL)
def test_each_draws_what_it_is_asked_for(drawn: dict[str, np.ndarray[Any, Any]], sampler: str) -> None:
    image = drawn[sampler]
    red = (image[..., 0] > image[..., 1] + 60) & (image[..., 0] > image[..., 2] + 60)
    assert red.mean() > 0.05


@pytest.mark.parametrize("sampler", ALL)
def test_the_same_seed_is_the_same_picture(made: tuple[Job, TrainingState], sampler: str) -> None:
    assert (draw(made, sampler, 2) == draw(made, sampler, 2)).all()


def test_each_is_a_method_of_its_own(drawn: dict[str, np.ndarray[Any, Any]]) -> None:
    assert len({image.tobytes() for image in drawn.values()}) == len(ALL)


def test_another_seed_is_another_picture(made: tuple[Job, TrainingState]) -> None:
    assert (draw(made, "dpm++ 2m sde", 2, seed=1) != draw(made, "dpm++ 2m sde", 2, seed=2)).any()


def test_lms_weights_are_those_of_adams_bashforth() -> None:
    """On equal steps the weights are the textbook's: 1, then 3/2 and -1/2, then 23/12, -16/12 and 5/12."""
    sigmas = [4.0, 3.0, 2.0, 1.0, 0.0]
    for order, weights in ((1, [1]), (2, [3 / 2, -1 / 2]), (3, [23 / 12, -16 / 12, 5 / 12])):
        found = [-samplers._lms_coefficient(sigmas, order, 2, j) for j in range(order)]
        assert found == pytest.approx(weights)


@pytest.mark.parametrize("sampler", ALL)
def test_a_schedule_that_ends_in_pure_noise_is_kept_by_every_sampler(sampler: str) -> None:
    config = {
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "timestep_spacing": "trailing",
    }
    config |= {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    wanted = DDPMScheduler.from_config(config).alphas_cumprod
    scheduler = samplers.scheduler_for(sampler, config)
    assert torch.allclose(scheduler.alphas_cumprod, wanted, atol=1e-5)
    scheduler.set_timesteps(5)
    latents = torch.ones(1, 4, 2, 2) * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        answer = torch.zeros_like(scheduler.scale_model_input(latents, timestep))
        latents = scheduler.step(answer, timestep, latents).prev_sample
    assert bool(torch.isfinite(latents).all())
