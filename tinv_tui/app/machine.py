"""One look at the machine: GPUs, processor, memory, disk, and what a run's worker holds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinv_tui import paths

if TYPE_CHECKING:
    from tinv_tui.telemetry.gpu import GpuSampler, GpuSnapshot
    from tinv_tui.telemetry.host import HostSnapshot


@dataclass(frozen=True)
class MachineNow:
    gpu: GpuSnapshot
    host: HostSnapshot


Past = tuple[float | None, ...]
"""Shares from 0 to 1, the newest last; None where the sensor did not answer."""
_KEPT = 60


class MachinePast:
    """The last minute or two of looks, for small lines over time."""

    def __init__(self) -> None:
        self._kept: dict[str, deque[float | None]] = {}
        self._last: MachineNow | None = None

    def add(self, now: MachineNow) -> None:
        """Take a look in, once however often it is shown."""
        if now is self._last:
            return
        self._last = now
        told: dict[str, float | None] = {
            "cpu": now.host.cpu_percent / 100,
            "ram": now.host.memory_used_bytes / max(1, now.host.memory_total_bytes),
        }
        for gpu in now.gpu.gpus:
            load, used, total = gpu.utilisation_percent, gpu.memory_used_bytes, gpu.memory_total_bytes
            told[f"load {gpu.label}"] = None if load is None else load / 100
            told[f"memory {gpu.label}"] = used / total if used is not None and total else None
        for name in {**self._kept, **told}:
            self._kept.setdefault(name, deque(maxlen=_KEPT)).append(told.get(name))

    def of(self, name: str) -> Past:
        """``load 0``, ``memory 0`` (of GPU 0), ``cpu`` or ``ram``."""
        return tuple(self._kept.get(name, ()))


class Machine:
    """Samples in whichever thread asks; NVML and psutil are loaded with the first sample, after the first frame."""

    def __init__(self) -> None:
        self._gpus: GpuSampler | None = None

    def look(self, our_pids: tuple[int, ...] = ()) -> MachineNow:
        from tinv_tui.telemetry.gpu import GpuSampler
        from tinv_tui.telemetry.host import sample_host

        if self._gpus is None:
            self._gpus = GpuSampler()
        return MachineNow(self._gpus.sample(our_pids), sample_host(paths.home()))

    def close(self) -> None:
        if self._gpus is not None:
            self._gpus.close()
