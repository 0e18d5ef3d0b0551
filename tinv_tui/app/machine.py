"""One look at the machine: GPUs, processor, memory, disk, and what a run's worker holds."""

from __future__ import annotations

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
