"""The job ``probe``: a few real training steps, timed, of which nothing is kept."""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from tinv_tui.errors import InputError
from tinv_tui.models.memory_plan import WHOLE, MemoryPlan
from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.frozen_dataset import FrozenDataset
from tinv_tui.runs.plan import RunPlan, plan_run
from tinv_tui.training.arriving import StepResult
from tinv_tui.training.guard import NotFinite
from tinv_tui.training.latents import LatentStore
from tinv_tui.training.loop import train
from tinv_tui.training.memory import OutOfMemory
from tinv_tui.training.state import TrainingState
from tinv_tui.worker.encoding import load_and_encode
from tinv_tui.worker.jobs import Desk
from tinv_tui.worker.memory import expect
from tinv_tui.worker.setup import (
    CheckpointFiles,
    choose_device,
    encode,
    load,
    prepare_job,
    prepare_state,
)

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

PICTURES = 2
STEPS = 15
UNCOUNTED = 3
"""Of the first steps, which compile, allocate and warm up."""
ENOUGH_SECONDS = 20.0
"""A slow machine takes fewer steps, but two that count."""
CONTEXT_BYTES = 500 * 2**20
"""What the driver and its libraries hold beside torch's own reserve."""


class Stopwatch:
    """An attendant that times steps, and ends the probe when enough of them are known."""

    def __init__(self, desk: Desk, plan: MemoryPlan) -> None:
        self._desk = desk
        self._began = self._last = time.monotonic()
        self.seconds: list[float] = []
        self.plan = plan

    def stepped(self, result: StepResult) -> None:
        now = time.monotonic()
        self.seconds.append(now - self._last)
        self._last = now
        self._desk.progress(len(self.seconds), STEPS, phase="training")

    def evaluated(self, state: TrainingState, loss: float, is_best: bool) -> None:
        raise AssertionError("a probe evaluates nothing")

    def went_back(self, state: TrainingState, trouble: NotFinite) -> None:
        pass  # a step takes as long

    def took_smaller_plan(self, state: TrainingState, reason: str) -> None:
        self.plan = state.plan

    def lowered_loss_scale(self, state: TrainingState) -> None:
        pass

    def noted(self, message: str) -> None:
        pass

    def goes_on(self, state: TrainingState, last_prompt: str, settle: Callable[[], None]) -> bool:
        return len(self.seconds) < UNCOUNTED + 2 or time.monotonic() - self._began < ENOUGH_SECONDS

    @property
    def seconds_per_step(self) -> float:
        """The median, without the first few."""
        return statistics.median(self.seconds[UNCOUNTED:] or self.seconds)


def run(arguments: dict[str, Any], desk: Desk) -> dict[str, Any]:
    """Load, encode one or two pictures of the largest size, train a few steps. Raises InputError.

    Answers with seconds (``load_seconds``, ``encode_seconds`` of one picture, ``seconds_per_step``), ``peak_bytes``,
    ``device`` and ``memory_plan``, how steps had to be computed to fit into memory; in words: ``plan``. Gradients that are
    not finite do not spoil the measure: a step takes as long.
    """
    desk.progress(0, 1, phase="loading")
    recipe = make_recipe(arguments["recipe"], "probe")
    plan = plan_run(_short(recipe), Path.cwd(), name_is_settled=True)  # its paths are absolute
    device = choose_device()
    began = time.monotonic()
    expected = expect(plan.recipe, plan.model, plan.groups, device)
    first_plan = expected.plan if expected is not None else WHOLE
    few, encode_seconds = _few(plan), 0.0

    def encode_with(vae: AutoencoderKL) -> LatentStore:
        nonlocal encode_seconds
        desk.progress(0, len(few.files), phase="encoding")
        encoding_began = time.monotonic()
        latents = encode(plan.recipe, few, vae, lambda done, n: desk.progress(done, n, phase="encoding"))
        _settle(device)
        encode_seconds = time.monotonic() - encoding_began
        return latents

    loading = partial(
        load, plan.recipe, plan.model, device, lambda done, n: desk.progress(done, n, phase="loading"), plan=first_plan
    )
    model, latents = load_and_encode(loading, encode_with, first_plan, device)
    load_seconds = time.monotonic() - began - encode_seconds
    with tempfile.TemporaryDirectory(prefix="tinv-probe-") as folder:
        scratch = RunFolder(Path(folder))
        scratch.checkpoint.mkdir()
        files = CheckpointFiles(scratch.checkpoint)
        job = prepare_job(plan.recipe, plan.rates, plan.clips, few, model, latents)
        state = prepare_state(plan.recipe, model, files, scratch, first_plan)
        watch = Stopwatch(desk, first_plan)
        try:
            train(job, state, watch)
        except NotFinite:
            pass
        except OutOfMemory as error:
            hint = "Lower the size, or leave training.precision at auto."
            raise InputError("memory-out", f"{error}", hint) from None
    return {
        "seconds_per_step": watch.seconds_per_step,
        "steps": len(watch.seconds),
        "load_seconds": load_seconds,
        "encode_seconds": encode_seconds / len(few.files),
        "peak_bytes": peak_bytes(device),
        "plan": watch.plan.in_words(plan.recipe.training.batch_size),
        "memory_plan": asdict(watch.plan),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }


def peak_bytes(device: torch.device) -> int:
    """The most memory this process has held so far: of the GPU, or resident where there is none."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_reserved(device)) + CONTEXT_BYTES
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _short(recipe: Recipe) -> Recipe:
    """The recipe with few steps and nothing beside them; its rates hold from step 1 on, whatever their counts."""
    values = recipe.model_dump()
    first_rate, first_clip = (recipe.training.learning_rate, recipe.training.clip_schedule)
    values["training"] |= {
        "steps": STEPS,
        "evaluation_samples": 0,
        "learning_rate": first_rate.partition(",")[0].partition(":")[0],
        "clip_schedule": first_clip.partition(",")[0].partition(":")[0],
    }
    return make_recipe(values, "probe")


def _few(plan: RunPlan) -> FrozenDataset:
    """One or two pictures of the size that takes the most memory."""
    size = max(plan.groups, key=lambda s: s[0] * s[1])
    members = plan.groups[size][:PICTURES]
    whole = FrozenDataset.of(plan)
    return replace(
        whole,
        files=tuple(whole.files[m] for m in members),
        captions=tuple(whole.captions[m] for m in members),
        groups={size: list(range(len(members)))},
    )


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
