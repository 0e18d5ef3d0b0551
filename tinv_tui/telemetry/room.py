"""The memory a new training can have: of the GPU it would take, or of the host."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata

import psutil

from tinv_tui.telemetry.gpu import Gpu, GpuProcess, GpuSampler

PROCESSOR = "cpu"
"""The key of the host's processor."""
NVIDIA_ORDER = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
"""For the environment of what imports torch: its numbers in CUDA_VISIBLE_DEVICES are those of nvidia-smi and NVML then."""

_TENSOR_CORES = (7, 0)
"""Of this generation on; those before are several times slower, and later builds of torch have no kernels for them."""


@dataclass(frozen=True)
class Room:
    """``on_gpu`` says where training would run; the bytes are None where nobody tells."""

    on_gpu: bool
    device: str
    """In words: ``GPU 0 (RTX 3080)``, ``this machine``."""
    free_bytes: int | None
    total_bytes: int | None
    key: str = PROCESSOR
    """What tells devices apart: the UUID of the GPU or of its part, or ``cpu``."""
    processes: tuple[GpuProcess, ...] = ()
    """What holds memory on the GPU now."""
    was_chosen: bool = False
    """Whether it is one GPU of several."""
    largest_gpu_bytes: int = 0
    """The memory of the largest GPU that may be chosen in its place once it has room; 0 where none may."""

    @property
    def most_bytes(self) -> int | None:
        """More than this can never come free for a training."""
        return None if self.total_bytes is None else max(self.total_bytes, self.largest_gpu_bytes)


def free_on(gpu: Gpu) -> float:
    """Bytes; 0 where the GPU does not tell."""
    return gpu.memory_free_bytes or 0


def room_for_training(to_be_had: Callable[[Gpu], float] = free_on, wanted: float = 0.0) -> Room:
    """Where training would run and what is free there now. Takes some milliseconds; never raises.

    The GPU (or part of one) is the first that CUDA_VISIBLE_DEVICES names, else the one where most is ``to_be_had``; one
    without tensor cores only where no other has half as much, or the bytes that are ``wanted``.
    """
    seen = _gpus() if torch_takes_gpus() else ()
    gpus = tuple(gpu for gpu in seen if not gpu.needs_parts)
    gpu = _training_gpu(gpus, to_be_had, wanted)
    if gpu is None:
        memory = psutil.virtual_memory()
        return Room(False, "this machine", _within_limit(memory.available), memory.total)
    return Room(
        on_gpu=True,
        device=gpu.in_words,
        free_bytes=gpu.memory_free_bytes,
        total_bytes=gpu.memory_total_bytes,
        key=gpu.uuid,
        processes=gpu.processes,
        was_chosen=len(seen) > 1,
        largest_gpu_bytes=0 if _is_set_by_user() else max(other.memory_total_bytes or 0 for other in gpus),
    )


def environment_for(room: Room) -> dict[str, str]:
    """What to add to the environment of a process so that torch trains where the room is, unless the user has chosen."""
    wanted = {name: value for name, value in NVIDIA_ORDER.items() if name not in os.environ}
    if room.was_chosen and room.key and not _is_set_by_user():
        wanted["CUDA_VISIBLE_DEVICES"] = room.key
    return wanted


def torch_takes_gpus() -> bool:
    """Told by the installed version's name, as torch itself takes a second to ask."""
    try:
        return not metadata.version("torch").endswith("+cpu")
    except metadata.PackageNotFoundError:
        return False


def _gpus() -> tuple[Gpu, ...]:
    sampler = GpuSampler()
    try:
        return sampler.sample().gpus
    finally:
        sampler.close()


def _is_set_by_user() -> bool:
    return "CUDA_VISIBLE_DEVICES" in os.environ


def _training_gpu(gpus: tuple[Gpu, ...], to_be_had: Callable[[Gpu], float], wanted: float) -> Gpu | None:
    if not _is_set_by_user():
        roomiest = _roomiest(gpus, to_be_had)
        swift = _roomiest((gpu for gpu in gpus if (gpu.capability or _TENSOR_CORES) >= _TENSOR_CORES), to_be_had)
        if roomiest is None or swift is None:
            return roomiest
        return swift if to_be_had(swift) >= max(wanted, to_be_had(roomiest) / 2) else roomiest
    first = os.environ["CUDA_VISIBLE_DEVICES"].partition(",")[0].strip()
    return next((g for g in gpus if first and (first == str(g.index) or g.uuid.startswith(first))), None)


def _roomiest(gpus: Iterable[Gpu], to_be_had: Callable[[Gpu], float]) -> Gpu | None:
    return max(gpus, key=lambda gpu: (to_be_had(gpu), -gpu.index, -(gpu.part or 0)), default=None)


def _within_limit(free_bytes: int) -> int:
    """No more than what the system lets this process take (``ulimit -v``, which clusters set)."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return free_bytes
    return max(0, min(free_bytes, limit - psutil.Process().memory_info().vms))
