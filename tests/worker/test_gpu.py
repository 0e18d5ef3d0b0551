"""What holds on an NVIDIA GPU: the same gradients as on the processor, and steps played back from CUDA graphs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from tests.worker.helpers import CPU, Onlooker, gradient, recipe
from tests.worker.test_exactness import relative_error
from tinv_tui.models.frozen import Operators
from tinv_tui.models.memory_plan import WHOLE
from tinv_tui.recipe import Recipe
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.frozen_dataset import FrozenDataset
from tinv_tui.runs.plan import plan_run
from tinv_tui.training.latents import LatentStore
from tinv_tui.training.loop import Job, train
from tinv_tui.training.memory import apply_plan
from tinv_tui.training.previews import draw_previews
from tinv_tui.training.state import TrainingState
from tinv_tui.worker.setup import CheckpointFiles, encode, load, prepare_job, prepare_state

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no NVIDIA GPU"),
]
GPU = torch.device("cuda")
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # torch asks once, at a process' first product of matrices


def make_job(
    tmp_path: Path,
    wanted: Recipe,
    device: torch.device,
    latents: LatentStore | None = None,
    operators: Operators | None = None,
) -> tuple[Job, TrainingState]:
    """As tests.worker.helpers.make_job, on a device; with ``latents`` of another job where they shall be the same."""
    plan = plan_run(wanted, tmp_path)
    model = load(plan.recipe, plan.model, device, operators=operators)
    folder = RunFolder(tmp_path / f"job-{len(list(tmp_path.iterdir()))}")
    folder.checkpoint.mkdir(parents=True)
    files = CheckpointFiles(folder.checkpoint)
    dataset = FrozenDataset.of(plan)
    if latents is None:
        latents = encode(plan.recipe, dataset, model.vae)
    else:
        latents.save(files.latents)
        latents = LatentStore.load(files.latents, device)
    state = prepare_state(plan.recipe, model, files, folder)
    return prepare_job(plan.recipe, plan.rates, plan.clips, dataset, model, latents), state


@pytest.mark.parametrize("operators", ["frozen", "fused"])
def test_the_gradient_is_that_of_the_processor(tmp_path: Path, operators: Operators) -> None:
    wanted = recipe(training__precision="fp32", training__batch_size=4)
    on_cpu = make_job(tmp_path, wanted, CPU)
    on_gpu = make_job(tmp_path, wanted, GPU, on_cpu[0].latents, operators)
    assert relative_error(gradient(*on_gpu), gradient(*on_cpu)) <= 1e-4


@pytest.mark.parametrize("operators", ["frozen", "fused"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_steps_are_played_back_and_learn_what_eager_ones_do(
    tmp_path: Path, precision: str, operators: Operators
) -> None:
    settings = {
        "training__steps": 12,
        "training__precision": precision,
        "training__learning_rate": "0.005:6, 0.002",
        "training__gradient_accumulation": 2,
        "training__deterministic": True,
        "training__evaluation_samples": 0,
        "dataset__flip": True,
    }
    results = []
    for acceleration in ("eager", "auto"):
        job, state = make_job(tmp_path, recipe(**settings, training__acceleration=acceleration), GPU, None, operators)
        train(job, state, seen := Onlooker())
        results.append(([result.loss for result in seen.results], seen.notes))
    assert results[0][1] == []
    assert results[1][1] == ["steps are played back from CUDA graphs"]
    assert results[1][0] == pytest.approx(results[0][0], rel=1e-3 if precision == "fp32" else 3e-2)


@pytest.fixture
def chance_again() -> Iterator[None]:
    """What a deterministic run asks of torch holds for its process."""
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("chance_again")
@pytest.mark.parametrize("operators", ["frozen", "fused"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_deterministic_run_comes_to_the_same_bytes_every_time(
    tmp_path: Path, precision: str, operators: Operators
) -> None:
    """A larger model's attention too, whose way back adds up in an order of chance unless torch is told not to."""
    wanted = recipe(
        training__steps=8,
        training__precision=precision,
        training__batch_size=4,
        training__deterministic=True,
        training__seed=5,
    )
    found = []
    for _ in range(2):
        job, state = make_job(tmp_path, wanted, GPU, None, operators)
        train(job, state, Onlooker())
        found.append(state.vectors.cpu())
    assert torch.equal(*found)
    query, key, value = (torch.randn(2, 8, 4096, 40, device=GPU, dtype=torch.bfloat16) for _ in range(3))
    ways_back = [
        torch.autograd.grad(scaled_dot_product_attention(q := query.clone().requires_grad_(), key, value).sum(), q)[0]
        for _ in range(2)
    ]
    assert torch.equal(*ways_back)


def test_the_host_does_not_wait_for_the_gpu_within_a_step(tmp_path: Path) -> None:
    job, state = make_job(tmp_path, recipe(training__steps=9, training__evaluation_samples=0), GPU)

    class Strict(Onlooker):
        """From the fourth step on, when steps are played back, torch refuses to wait; the end of the run may."""

        def goes_on(self, *_: object) -> bool:
            torch.cuda.set_sync_debug_mode("error" if 3 < state.step < 8 else "default")
            return True

    try:
        train(job, state, seen := Strict())
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(seen.results) == 9


@pytest.mark.parametrize("operators", ["frozen", "fused"])
def test_previews_are_those_of_the_processor_and_the_vae_goes_back_to_the_host(
    tmp_path: Path, operators: Operators
) -> None:
    wanted = recipe(training__precision="fp32", preview__steps=4)
    drawn = []
    for device, chosen in ((CPU, None), (GPU, operators)):
        job, state = make_job(tmp_path, wanted, device, None, chosen)
        apply_plan(WHOLE, job.model)
        images = draw_previews(
            job.model, job.encoder, job.prompts, state.vectors, ["a zork", "zork"], wanted.preview, (64, 64), 3
        )
        drawn.append(np.stack([np.asarray(image, dtype=float) for image in images]))
    assert {weight.device.type for weight in job.model.vae.parameters()} == {"cpu"}
    assert np.abs(drawn[0] - drawn[1]).mean() < 1 < drawn[0].std()
