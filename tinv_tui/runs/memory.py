"""How much memory a run takes, about, and whether there is so much: told before anything is started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tinv_tui.datasets.buckets import Size
from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.families import Family
from tinv_tui.models.frozen import suitable_operators
from tinv_tui.models.memory_plan import WHOLE, MemoryPlan, Step
from tinv_tui.models.number_formats import FLOAT_BYTES, computes_in_bf16
from tinv_tui.models.part_files import part_files
from tinv_tui.models.weight_file import read_weight_file
from tinv_tui.recipe import Recipe
from tinv_tui.runs.neighbours import Neighbour, in_words, neighbours_on, room_beside_others, sharing_warning
from tinv_tui.telemetry.room import Room

if TYPE_CHECKING:
    from tinv_tui.runs.plan import RunPlan


@dataclass(frozen=True)
class MemoryNeed:
    """``peak_bytes`` of a run, by a rule of thumb or (``measured``) by a probe, and where it has to fit."""

    peak_bytes: int
    extra_bytes: int
    """How much of it the chosen number format takes more than the automatic one would."""
    room: Room
    plan: MemoryPlan = WHOLE
    """How steps are computed: the fastest way that should fit, or the one that takes least where none does."""
    plan_words: str = ""
    """What a step does without, for the batch there is; empty where it has room for everything."""
    measured: bool = False
    neighbours: tuple[Neighbour, ...] = ()
    """Who else is there now."""

    @property
    def is_tight(self) -> bool:
        return self.room.free_bytes is not None and self.peak_bytes > self.room.free_bytes

    @property
    def may_come_free(self) -> bool:
        """Whether it is tight only because of what others hold now."""
        return self.is_tight and self.room.most_bytes is not None and self.peak_bytes <= self.room.most_bytes


def memory_need(plan: RunPlan, measured_bytes: int | None = None, measured_plan: MemoryPlan = WHOLE) -> MemoryNeed:
    """What a planned run takes here and now, by the plan that it would start with.

    What a probe measured, and the plan that it came to, take the place of the estimate.
    """
    room = room_beside_others()
    neighbours = neighbours_on(room)
    step = step_of(plan, plan.recipe.training.precision, on_gpu=room.on_gpu, total_bytes=room.total_bytes)
    auto = step_of(plan, "auto", on_gpu=room.on_gpu, total_bytes=room.total_bytes)
    chosen = step.fastest_plan(room.free_bytes) if measured_bytes is None else measured_plan
    peak = step.bytes_by(chosen)
    return MemoryNeed(
        peak if measured_bytes is None else measured_bytes,
        max(0, peak - auto.bytes_by(chosen)),
        room,
        plan=chosen,
        plan_words=chosen.in_words(step.batch),
        measured=measured_bytes is not None,
        neighbours=neighbours,
    )


def memory_warnings(need: MemoryNeed) -> list[tuple[str, str]]:
    """(code, message) pairs: that a run is there already, and that the memory will not do."""
    shared = sharing_warning(need.room, need.neighbours)
    warnings = [("device-shared", shared)] if shared else []
    if not need.is_tight:
        return warnings
    assert need.room.free_bytes is not None
    how = "takes" if need.measured else "takes about"
    text = f"training {how} {need.peak_bytes / 2**30:.1f} GiB"
    text += f" even with {need.plan_words}" if need.plan_words else ""
    text += f", {need.room.device} has {need.room.free_bytes / 2**30:.1f} free"
    if need.extra_bytes > 0:
        text += f"; training.precision = auto saves about {need.extra_bytes / 2**30:.1f}"
    others = tuple(other for other in need.neighbours if other.run is None)
    if others:
        text += f"; held by others: {in_words(others)}"
    return [*warnings, ("memory-tight", text)]


def settings_in_words(plan: RunPlan, need: MemoryNeed) -> str:
    """What the figure is for, where it has to fit, and what it is worth."""
    training = plan.recipe.training
    parts = [f"batch {training.batch_size}, precision {training.precision}"]
    if need.plan_words:
        parts.append(f"with {need.plan_words}")
    if need.extra_bytes > 0:
        parts[0] += f", {need.extra_bytes / 2**30:.2f} GiB more than auto"
    if need.room.free_bytes is not None:
        parts.append(f"{need.room.device} has {need.room.free_bytes / 2**30:.1f} free")
    return "; ".join([*parts, "measured" if need.measured else "a rough figure"])


def step_of(plan: RunPlan, precision: str, *, on_gpu: bool, total_bytes: int | None = None) -> Step:
    """A step of a planned run, its UNet in the number format that a precision comes to there."""
    is_fp32_by_itself = plan.model.is_small or not (on_gpu or computes_in_bf16())
    number = 4 if precision == "fp32" or (precision == "auto" and is_fp32_by_itself) else 2
    return step_with(plan.model, plan.recipe, plan.groups, number, on_gpu=on_gpu, total_bytes=total_bytes)


def step_with(
    model: BaseModel,
    recipe: Recipe,
    sizes: Iterable[Size],
    number_bytes: int,
    *,
    on_gpu: bool,
    total_bytes: int | None = None,
) -> Step:
    """A step of a recipe with pictures of these sizes, the UNet's numbers of so many bytes.

    ``total_bytes`` is all the memory of the machine.
    """
    parameters = model.weight_bytes / _stored_number_bytes(model)
    pixels = max(width * height for width, height in sizes)
    step = Step(model.family, parameters, number_bytes, pixels, recipe.training.batch_size, on_gpu)
    if recipe.training.acceleration == "compile":
        return replace(step, operators="stock")
    unet_bytes = parameters * model.family.unet_share * number_bytes
    operators = suitable_operators(unet_bytes, total_bytes, is_small=model.is_small, on_gpu=on_gpu)
    return replace(step, operators=operators)


def family_step(family: Family, *, on_gpu: bool) -> Step:
    """The same for a family's published models, at their native size and a batch of one."""
    step = Step(family, family.parameters, 2 if on_gpu or computes_in_bf16() else 4, family.native_size**2, 1, on_gpu)
    return step if on_gpu else replace(step, operators="packed")


def _stored_number_bytes(model: BaseModel) -> int:
    """Bytes of a number in the weight files: as the UNet has them."""
    if model.is_single_file:
        return FLOAT_BYTES[model.number_kind]
    if model.variant == "fp16":
        return 2
    try:
        first, *_ = part_files(model.path / "unet")
        kinds = {tensor.kind for tensor in read_weight_file(first).tensors.values()}
    except (InputError, OSError):
        return 4
    return 2 if kinds and kinds <= {"F16", "BF16"} else 4
