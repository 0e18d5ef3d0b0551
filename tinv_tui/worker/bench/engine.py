"""The job ``bench-engine``: some steps of our own loop, timed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tinv_tui.models.memory_plan import LIBRARY_BYTES, WHOLE, MemoryPlan
from tinv_tui.recipe import make_recipe
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.frozen_dataset import FrozenDataset
from tinv_tui.runs.plan import plan_run
from tinv_tui.training.arriving import StepResult
from tinv_tui.training.guard import NotFinite
from tinv_tui.training.loop import train
from tinv_tui.training.state import TrainingState
from tinv_tui.worker.bench.clock import StepClock
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


class _Timed:
    """An attendant that only looks at the clock."""

    def __init__(self, clock: StepClock, desk: Desk, plan: MemoryPlan) -> None:
        self._clock = clock
        self._desk = desk
        self.plan = plan
        """How steps had to be computed to fit into memory."""
        self.notes: list[str] = []

    def stepped(self, result: StepResult) -> None:
        pass  # on a GPU it comes late: the clock is read where the host stands

    def evaluated(self, state: TrainingState, loss: float, is_best: bool) -> None:
        raise AssertionError("the bench evaluates nothing")

    def went_back(self, state: TrainingState, trouble: NotFinite) -> None:
        pass  # a step takes as long, whatever its numbers

    def took_smaller_plan(self, state: TrainingState, reason: str) -> None:
        self.plan = state.plan

    def lowered_loss_scale(self, state: TrainingState) -> None:
        pass

    def noted(self, message: str) -> None:
        self.notes.append(message)

    def goes_on(self, state: TrainingState, last_prompt: str, settle: Callable[[], None]) -> bool:
        self._clock.stepped()
        self._clock.tell(partial(self._desk.progress, phase="training"))
        return state.step < self._clock.total


def run(arguments: dict[str, Any], desk: Desk) -> dict[str, Any]:
    """Train ``steps`` counted steps of ``recipe`` with ``operators``, "auto" for what a run would take. Raises InputError.

    With ``memory_gib`` this process gets no more of a GPU than a card of that size would give it; with ``least_memory``
    steps are computed by the smallest plan.
    """
    recipe = make_recipe(arguments["recipe"], "bench")
    plan = plan_run(recipe, Path.cwd(), name_is_settled=True)
    device = choose_device()
    desk.progress(0, 1, phase="loading")
    if arguments["memory_gib"]:
        _take_no_more_than(arguments["memory_gib"] * 2**30, device)
    expected = expect(plan.recipe, plan.model, plan.groups, device)
    memory_plan = expected.plan if expected is not None else WHOLE
    if arguments["least_memory"]:
        memory_plan = memory_plan.smallest(plan.recipe.training.batch_size, on_gpu=device.type == "cuda")
    asked = arguments["operators"]
    dataset = FrozenDataset.of(plan)
    model, latents = load_and_encode(
        partial(
            load,
            plan.recipe,
            plan.model,
            device,
            lambda done, n: desk.progress(done, n, phase="loading"),
            operators=None if asked == "auto" else asked,
            plan=memory_plan,
        ),
        lambda vae: encode(plan.recipe, dataset, vae, lambda done, n: desk.progress(done, n, phase="encoding")),
        memory_plan,
        device,
    )
    parts = {"text encoder": model.text_encoders[0], "UNet": model.unet, "VAE": model.vae.encoder}
    if len(model.text_encoders) > 1:
        parts["second text encoder"] = model.text_encoders[1]
    with tempfile.TemporaryDirectory(prefix="tinv-bench-") as folder:
        scratch = RunFolder(Path(folder))
        scratch.checkpoint.mkdir()
        job = prepare_job(plan.recipe, plan.rates, plan.clips, dataset, model, latents)
        state = prepare_state(plan.recipe, model, CheckpointFiles(scratch.checkpoint), scratch, memory_plan)
        clock = StepClock(int(arguments["steps"]), device, parts)
        timed = _Timed(clock, desk, memory_plan)
        train(job, state, timed)
    told = {
        "operators": asked,
        "plan": timed.plan.in_words(plan.recipe.training.batch_size),
        "computing": "; ".join([model.computing, *timed.notes]),
    }
    return clock.result() | told


def _take_no_more_than(card_bytes: float, device: torch.device) -> None:
    total = torch.cuda.mem_get_info(device)[1]
    torch.cuda.set_per_process_memory_fraction(min(1.0, (card_bytes - LIBRARY_BYTES) / total))  # of the current device
