"""How much memory a run takes, about, and whether there is so much: told before anything is started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.families import Family
from tinv_tui.models.number_formats import FLOAT_BYTES
from tinv_tui.models.weight_file import read_weight_file
from tinv_tui.runs.neighbours import Neighbour, in_words, neighbours_on, sharing_warning
from tinv_tui.telemetry.room import Room, room_for_training

if TYPE_CHECKING:
    from tinv_tui.runs.plan import RunPlan

_LIBRARY_BYTES = 450_000_000
"""Of a worker that has done nothing yet: on the host its libraries, on a GPU the driver's context."""


@dataclass(frozen=True)
class MemoryNeed:
    """``peak_bytes`` of a run, by a rule of thumb or (``measured``) by a probe, and where it has to fit."""

    peak_bytes: int
    extra_bytes: int
    """How much of it the chosen number format takes more than the automatic one would."""
    room: Room
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


def memory_need(plan: RunPlan, measured_bytes: int | None = None) -> MemoryNeed:
    """What a planned run takes here and now; a figure that a probe measured takes the place of the estimate."""
    room = room_for_training()
    neighbours = neighbours_on(room)
    precision = plan.recipe.training.precision
    peak = estimated_bytes(plan, precision, on_gpu=room.on_gpu)
    extra = max(0, peak - estimated_bytes(plan, "auto", on_gpu=room.on_gpu))
    if measured_bytes is not None:
        return MemoryNeed(measured_bytes, extra, room, measured=True, neighbours=neighbours)
    return MemoryNeed(peak, extra, room, neighbours=neighbours)


def memory_warnings(need: MemoryNeed) -> list[tuple[str, str]]:
    """(code, message) pairs: that a run is there already, and that the memory will not do."""
    shared = sharing_warning(need.room, need.neighbours)
    warnings = [("device-shared", shared)] if shared else []
    if not need.is_tight:
        return warnings
    assert need.room.free_bytes is not None
    how = "takes" if need.measured else "takes about"
    text = f"training {how} {need.peak_bytes / 2**30:.1f} GiB, {need.room.device} has {need.room.free_bytes / 2**30:.1f} free"
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
    if need.extra_bytes > 0:
        parts[0] += f", {need.extra_bytes / 2**30:.2f} GiB more than auto"
    if need.room.free_bytes is not None:
        parts.append(f"{need.room.device} has {need.room.free_bytes / 2**30:.1f} free")
    return "; ".join([*parts, "measured" if need.measured else "a rough figure"])


def estimated_bytes(plan: RunPlan, precision: str, *, on_gpu: bool) -> int:
    """A rough figure: libraries, weights, and what a forward pass keeps for backward.

    Text encoders and VAE stay fp32 whatever the UNet is in. What is kept is the family's figure, less for smaller models.
    """
    model, family = plan.model, plan.model.family
    parameters = model.weight_bytes / _stored_number_bytes(model)
    number = 4 if precision == "fp32" or (precision == "auto" and (model.is_small or not on_gpu)) else 2
    largest = max(w * h for w, h in plan.groups)
    return _bytes_of(family, parameters, number, largest * plan.recipe.training.batch_size)


def family_bytes(family: Family, *, on_gpu: bool) -> int:
    """The same for a family's published models, at their native size and a batch of one."""
    return _bytes_of(family, family.parameters, 2 if on_gpu else 4, family.native_size**2)


def _bytes_of(family: Family, parameters: float, number: int, pixels: int) -> int:
    """``number`` is the bytes of one in the UNet, ``pixels`` are those of a whole batch."""
    weights = parameters * (family.unet_share * number + (1 - family.unet_share) * 4)
    size = (parameters / family.parameters) ** 0.5
    kept = family.kept_bytes * number / 2 * pixels / 512**2 * size
    return int(_LIBRARY_BYTES + weights + kept)


def _stored_number_bytes(model: BaseModel) -> int:
    """Bytes of a number in the weight files: as the UNet has them."""
    if model.is_single_file:
        return FLOAT_BYTES[model.number_kind]
    first = next(iter(sorted((model.path / "unet").glob("*.safetensors"))), None)
    if first is None or model.variant == "fp16":
        return 2 if model.variant == "fp16" else 4
    try:
        kinds = {tensor.kind for tensor in read_weight_file(first).tensors.values()}
    except InputError:
        return 4
    return 2 if kinds and kinds <= {"F16", "BF16"} else 4
