"""Shared by the worker tests: recipes on the bundled model, jobs in this process, runs in real worker processes."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tinv_tui.models import bundled
from tinv_tui.models.frozen import Operators
from tinv_tui.models.memory_plan import MemoryPlan
from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.runs.events import EventReader
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.frozen_dataset import FrozenDataset
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.run import Run
from tinv_tui.runs.status import Status
from tinv_tui.training.arriving import StepResult
from tinv_tui.training.batches import Batches, loss_of
from tinv_tui.training.guard import NotFinite
from tinv_tui.training.loop import Job
from tinv_tui.training.state import TrainingState
from tinv_tui.worker.reporter import Reporter
from tinv_tui.worker.session import run_session
from tinv_tui.worker.setup import CheckpointFiles, encode, load, prepare_job, prepare_state
from tinv_tui.worker.signals import Signals

CPU = torch.device("cpu")


def recipe(**changes: Any) -> Recipe:
    """A short run on the bundled model and set; ``section__key=value`` changes a key."""
    values: dict[str, dict[str, Any]] = {
        "model": {"path": "bundled"},
        "embedding": {"name": "zork", "init_text": "thing"},
        "dataset": {"path": str(bundled.picture_sets()["chartreuse"]), "template": "subject"},
        "training": {"steps": 20, "batch_size": 2, "seed": 3},
        "saving": {"embedding_every": 0, "image_every": 0},
        "preview": {"steps": 4},
    }
    for key, value in changes.items():
        section, _, name = key.partition("__")
        values[section][name] = value
    return make_recipe(values)


def make_job(tmp_path: Path, wanted: Recipe, operators: Operators | None = None) -> tuple[Job, TrainingState]:
    """A job and its fresh state in this process, made the way the worker makes them; with ``operators`` of other models."""
    plan = plan_run(wanted, tmp_path)
    model = load(plan.recipe, plan.model, CPU, operators=operators)
    folder = RunFolder(tmp_path / f"job-{len(list(tmp_path.iterdir()))}")
    folder.checkpoint.mkdir(parents=True)
    files = CheckpointFiles(folder.checkpoint)
    state = prepare_state(plan.recipe, model, files, folder)
    dataset = FrozenDataset.of(plan)
    latents = encode(plan.recipe, dataset, model.vae)
    job = prepare_job(plan.recipe, plan.rates, plan.clips, dataset, model, latents)
    return job, state


def gradient(job: Job, state: TrainingState) -> torch.Tensor:
    """Of the first step's first batch, as autograd has it; on the host."""
    batch = Batches(job.recipe, job.model, job.latents, job.prompts, job.seed).draw(1, 0)
    rows = state.vectors.clone().requires_grad_()
    return torch.autograd.grad(loss_of(job.model, job.encoder, batch, rows), [rows])[0].cpu()


class Onlooker:
    """An attendant that only keeps what it is told."""

    def __init__(self) -> None:
        self.results: list[StepResult] = []
        self.evaluations: list[tuple[int, float]] = []
        self.went_back_to: list[int] = []
        self.plans: list[tuple[int, MemoryPlan]] = []
        self.loss_scales: list[tuple[int, float]] = []
        self.notes: list[str] = []

    def stepped(self, result: StepResult) -> None:
        self.results.append(result)

    def evaluated(self, state: TrainingState, loss: float, is_best: bool) -> None:
        self.evaluations.append((state.step, loss))

    def went_back(self, state: TrainingState, trouble: NotFinite) -> None:
        self.went_back_to.append(state.step)
        self.results = [result for result in self.results if result.step <= state.step]
        self.evaluations = [told for told in self.evaluations if told[0] <= state.step]

    def took_smaller_plan(self, state: TrainingState, reason: str) -> None:
        self.plans.append((state.step, state.plan))

    def lowered_loss_scale(self, state: TrainingState) -> None:
        self.loss_scales.append((state.step, state.loss_scale))

    def noted(self, message: str) -> None:
        self.notes.append(message)

    def goes_on(self, state: TrainingState, last_prompt: str, settle: Callable[[], None]) -> bool:
        return True


def train_here(folder: RunFolder) -> int:
    """Train a run folder in this process, as a worker's ``main`` does it; returns the exit code."""
    status = Status(name=folder.name, state="starting", phase="loading", pid=os.getpid())
    return run_session(folder, Signals(), Reporter(folder, status))


def trained(wanted: Recipe) -> Run:
    """A finished run, trained in this process: for tests of what a run leaves, to which the worker does not matter."""
    folder = make_run(plan_run(wanted, Path.cwd()))
    assert train_here(folder) == 0
    return Run(folder)


async def resumed_here(run: Run, **changes: Any) -> int:
    """Go on with a run as ``Run.resume`` has it, but train in this process; the exit code that its worker would have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinv_tui.runs.launch.launch_worker", lambda *_: None)
        await run.resume(**changes)
    return await asyncio.to_thread(train_here, run.folder)


async def told(reader: EventReader, kind: str, step: int = 0) -> None:
    """Wait for an event of a kind, of this step or a later one, of a run that is trained in this process too."""
    for _ in range(6000):
        if any(e["kind"] == kind and e.get("step", step) >= step for e in reader.read_new()):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{kind} was never told")


async def reach(folder: RunFolder, step: int) -> None:
    """Wait until a run has reached a step."""
    await told(EventReader(folder.events), "step", step)


def weights_hash(job: Job) -> str:
    """One hash over every weight of the frozen model."""
    digest = hashlib.sha256()
    for part in (*job.model.text_encoders, job.model.unet, job.model.vae):
        for name, tensor in part.state_dict().items():
            digest.update(name.encode() + tensor.flatten().view(torch.uint8).numpy().tobytes())  # NumPy has no bf16
    return digest.hexdigest()
