"""How long a run will take, from runs like it on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from tinv_tui.errors import InputError
from tinv_tui.recipe import Recipe, load_recipe
from tinv_tui.runs.folder import all_runs
from tinv_tui.runs.plan import RunPlan
from tinv_tui.runs.status import read_status

_LOOK_BACK = 50


@dataclass(frozen=True)
class Estimate:
    """``seconds`` of training, or None; ``basis`` says where the figure comes from."""

    seconds: float | None
    basis: str


def estimate_time(plan: RunPlan) -> Estimate:
    """From the newest run with the same model, size and batch; previews and loading are not counted."""
    for run in all_runs()[:_LOOK_BACK]:
        status = read_status(run.status)
        if status is None or not status.steps_per_second:
            continue
        try:
            other = load_recipe(run.recipe)
        except InputError:
            continue
        if _work(other) == _work(plan.recipe):
            return Estimate(
                plan.recipe.training.steps / status.steps_per_second, f"measured in {run.path.parent.name}/{run.name}"
            )
    return Estimate(None, "unknown: no run with this model, size and batch yet")


def _work(recipe: Recipe) -> tuple[object, ...]:
    """What the time of a step depends on."""
    d, t = recipe.dataset, recipe.training
    return recipe.model.path, d.width, d.height, t.batch_size, t.gradient_accumulation, t.precision
