"""The plan by which a run's steps fit into the memory of its device: chosen before anything is loaded, looked at after the
first step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from tinv_tui.datasets.buckets import Size
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.loading import choose_dtype
from tinv_tui.models.memory_plan import LIBRARY_BYTES, MemoryPlan, Step
from tinv_tui.recipe import Recipe
from tinv_tui.runs.memory import step_with


@dataclass(frozen=True)
class Expected:
    """How steps are to be computed on a GPU, and what that should take there."""

    plan: MemoryPlan
    step: Step
    free_bytes: int
    """Before anything was loaded, the driver's context already there."""
    device: torch.device

    @property
    def step_bytes(self) -> int:
        """What torch holds at most while it makes a step."""
        return self.step.bytes_by(self.plan) - LIBRARY_BYTES

    def in_words(self) -> str:
        words = self.plan.in_words(self.step.batch)
        squeezed = f", with {words}" if words else ""
        return f"a step takes about {_gib(self.step_bytes)} of {_gib(self.free_bytes)} free{squeezed}"

    def facts(self) -> dict[str, Any]:
        """For an event."""
        return {"plan": asdict(self.plan), "expected_bytes": self.step_bytes}

    def begin(self) -> None:
        """Called when the first step is about to start."""
        torch.cuda.reset_peak_memory_stats(self.device)

    def beside_the_first_step(self) -> tuple[str, int]:
        """What the steps since :meth:`begin` have held at most, in words beside the estimate, and in bytes."""
        held = int(torch.cuda.max_memory_allocated(self.device))
        return f"the first step took {_gib(held)}, {_gib(self.step_bytes)} were expected", held


def expect(
    recipe: Recipe, base: BaseModel, sizes: Iterable[Size], device: torch.device, kept: MemoryPlan | None = None
) -> Expected | None:
    """The plan that is ``kept`` to, or else the fastest that should fit into what is free on a GPU now.

    None on a CPU: there everything is tried first, and only a real lack of memory makes the plan smaller.
    """
    if device.type != "cuda":
        return None
    number = choose_dtype(recipe.training.precision, device, base).itemsize
    step = step_with(base, recipe, sizes, number, on_gpu=True)
    free = _free_bytes(device)
    return Expected(kept or step.fastest_plan(free + LIBRARY_BYTES), step, free, device)


def _free_bytes(device: torch.device) -> int:
    """What this process can still get, be it of the GPU or of the share of it that it is kept to."""
    free, total = torch.cuda.mem_get_info(device)
    # Of the current device, which is the one that is trained on: this asks for a number, and ours goes without. torch 2.6
    # does not tell at all.
    share = getattr(torch.cuda, "get_per_process_memory_fraction", lambda: 1.0)()
    return min(int(free), int(total * share) - int(torch.cuda.memory_reserved(device)))


def _gib(amount: int) -> str:
    return f"{amount / 2**30:.2f} GiB"
