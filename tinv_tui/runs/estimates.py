"""How long a run will take: probed, or from runs like it on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tinv_tui.errors import InputError
from tinv_tui.models.memory_plan import MemoryPlan
from tinv_tui.recipe import Recipe
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.budget import spent
from tinv_tui.runs.folder import all_runs
from tinv_tui.runs.plan import RunPlan
from tinv_tui.runs.status import read_status

_LOOK_BACK = 50
_ENOUGH_STEPS = 20
"""Of a run of fewer, what comes only now and then says little of one that is longer."""
Work = tuple[object, ...]
"""What the time of a step and its memory depend on; equal for recipes that do the same work."""


@dataclass(frozen=True)
class Estimate:
    """``seconds`` of training, or None; ``basis`` says where the figure comes from."""

    seconds: float | None
    basis: str


@dataclass(frozen=True)
class Probe:
    """What a few real steps took (the job ``probe``). ``encode_seconds`` is of one picture."""

    seconds_per_step: float
    steps: int
    load_seconds: float
    encode_seconds: float
    peak_bytes: int
    device: str
    plan: str = ""
    """How steps had to be computed to fit into memory; empty where they fit as they are."""
    memory_plan: MemoryPlan = MemoryPlan()
    """The same, not in words."""

    @staticmethod
    def of(result: dict[str, Any]) -> Probe:
        """From the job's result."""
        return Probe(**result | {"memory_plan": MemoryPlan.of(result["memory_plan"])})

    def seconds_of(self, plan: RunPlan) -> float:
        """Of a whole run: loading, encoding every picture, all steps. Previews are not counted."""
        return (
            self.load_seconds
            + self.encode_seconds * len(plan.pictures)
            + self.seconds_per_step * plan.recipe.training.steps
        )

    def in_words(self) -> str:
        squeezed = f"; to fit into memory: {self.plan}" if self.plan else ""
        counted = "loading and encoding counted, previews not"
        return f"probed on {self.device}: {self.seconds_per_step:.3g} s a step, {counted}{squeezed}"


def estimate_time(plan: RunPlan, probe: Probe | None = None) -> Estimate:
    """From a probe where there is one, else from the newest run with the same model, size and batch.

    Of that run loading and encoding are not counted, and previews only where it drew as many; the basis says where not.
    """
    if probe is not None:
        return _within_its_minutes(plan.recipe, probe.seconds_of(plan), probe.in_words())
    for run in all_runs()[:_LOOK_BACK]:
        status = read_status(run.status)
        if status is None or not status.steps_per_second:
            continue
        try:
            other = load_recipe(run.recipe)
        except InputError:
            continue
        if work_of(other) == work_of(plan.recipe):
            step, spent_seconds = spent(run)
            basis = f"measured in {run.path.parent.name}/{run.name}"
            if step >= _ENOUGH_STEPS and spent_seconds and _draws(other) == _draws(plan.recipe):
                seconds_per_step = spent_seconds / step
            else:
                seconds_per_step = 1 / status.steps_per_second
                basis += ", without previews" if plan.recipe.saving.image_every else ""
            return _within_its_minutes(plan.recipe, seconds_per_step * plan.recipe.training.steps, basis)
    return Estimate(None, "unknown: no run with this model, size and batch yet; --probe measures it")


def _within_its_minutes(recipe: Recipe, seconds: float, basis: str) -> Estimate:
    """All its steps, or as many of them as there is time for."""
    minutes, steps = recipe.training.minutes, recipe.training.steps
    if not minutes or seconds <= minutes * 60:
        return Estimate(seconds, basis)
    reached = int(steps * minutes * 60 / seconds)
    return Estimate(minutes * 60, f"{basis}; its {minutes:g} minutes end it at about step {reached} of {steps}")


def _draws(recipe: Recipe) -> tuple[object, ...]:
    """What the time that goes into previews depends on, beside the work of a step."""
    p = recipe.preview
    return recipe.saving.image_every, p.steps, max(1, len(p.prompts)), p.width, p.height


def work_of(recipe: Recipe) -> Work:
    d, t = recipe.dataset, recipe.training
    return recipe.model.path, d.width, d.height, t.batch_size, t.gradient_accumulation, t.precision
