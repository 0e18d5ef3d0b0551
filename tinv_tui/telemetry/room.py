"""The memory a new training can have: of the GPU it would take, or of the host."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import metadata

import psutil

from tinv_tui.telemetry.gpu import Gpu, GpuSampler


@dataclass(frozen=True)
class Room:
    """``on_gpu`` says where training would run; the bytes are None where nobody tells."""

    on_gpu: bool
    device: str
    """In words: ``GPU 0 (RTX 3080)``, ``this machine``."""
    free_bytes: int | None
    total_bytes: int | None


def room_for_training() -> Room:
    """Where training would run and what is free there now. Takes some milliseconds; never raises."""
    gpu = _first_gpu() if _torch_takes_gpus() else None
    if gpu is None:
        memory = psutil.virtual_memory()
        return Room(False, "this machine", memory.available, memory.total)
    free = None
    if gpu.memory_total_bytes is not None and gpu.memory_used_bytes is not None:
        free = gpu.memory_total_bytes - gpu.memory_used_bytes
    return Room(True, f"GPU {gpu.index} ({gpu.name})", free, gpu.memory_total_bytes)


def _torch_takes_gpus() -> bool:
    """Told by the installed version's name, as torch itself takes a second to ask."""
    try:
        return not metadata.version("torch").endswith("+cpu")
    except metadata.PackageNotFoundError:
        return False


def _first_gpu() -> Gpu | None:
    """The GPU that training takes: the first that CUDA_VISIBLE_DEVICES leaves visible."""
    sampler = GpuSampler()
    try:
        gpus = sampler.sample().gpus
    finally:
        sampler.close()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return gpus[0] if gpus else None
    first = visible.partition(",")[0].strip()
    return next((g for g in gpus if first and (first == str(g.index) or g.uuid.startswith(first))), None)
