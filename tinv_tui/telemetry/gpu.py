"""NVIDIA GPUs, through NVML (the library behind ``nvidia-smi``)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, TypeVar

_T = TypeVar("_T")

_HELD_BACK = {
    0x02: "set clocks",
    0x04: "power limit",
    0x08: "hardware slowdown",
    0x10: "sync boost",
    0x20: "heat",
    0x40: "heat",
    0x80: "power brake",
    0x100: "display clocks",
}
"""Bits of nvmlClocksEventReasons (nvml.h); that it is idle, 0x01, holds nothing back."""


@dataclass(frozen=True)
class GpuProcess:
    """A process that holds memory on a GPU; ``used_bytes`` is ``None`` where the driver does not say.

    ``pid`` is 0 for a process that tells of itself, where the driver's numbers are those of the host or another container.
    """

    pid: int
    used_bytes: int | None
    ours: bool


@dataclass(frozen=True)
class Gpu:
    """One GPU, or one part of a GPU that is cut into parts (MIG), at one moment; ``None`` is what no sensor answers.

    ``index`` is NVML's own, as ``nvidia-smi`` shows it (CUDA_VISIBLE_DEVICES does not change it), and ``part`` the number
    of a part on its GPU. Name, UUID, memory and processes are the part's own; heat, power and clocks are the whole GPU's.
    ``utilisation_percent`` is the share of the last sampling period in which a kernel ran.
    ``memory_used_bytes`` includes what the driver reserves: the total less this is what a new program can get.
    ``power_limit_w`` is the limit in force, in watts. ``held_back_by`` says why its clock is lower than it could be, in a
    word or two each; empty where it is not. ``needs_parts`` tells that it is to be cut into parts, none of which was made
    (or is ours to see): nothing can run on it. ``capability`` is CUDA's name of its generation, major and minor.
    """

    index: int
    name: str
    uuid: str
    utilisation_percent: int | None
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    temperature_c: int | None
    power_w: float | None
    power_limit_w: float | None
    processes: tuple[GpuProcess, ...]
    clock_mhz: int | None = None
    memory_clock_mhz: int | None = None
    held_back_by: tuple[str, ...] | None = None
    part: int | None = None
    needs_parts: bool = False
    capability: tuple[int, int] | None = None

    @property
    def label(self) -> str:
        """``0``, or ``0:1`` for a part."""
        return str(self.index) if self.part is None else f"{self.index}:{self.part}"

    @property
    def in_words(self) -> str:
        """``GPU 0 (NVIDIA GeForce RTX 3080)``, as a run tells where it trains."""
        return f"GPU {self.label} ({self.name})"

    @property
    def memory_free_bytes(self) -> int | None:
        """What a new program can get."""
        if self.memory_total_bytes is None or self.memory_used_bytes is None:
            return None
        return self.memory_total_bytes - self.memory_used_bytes


@dataclass(frozen=True)
class GpuSnapshot:
    """Every GPU of the machine, its parts in place of one that is cut; or in ``problem`` why there is none to show."""

    gpus: tuple[Gpu, ...]
    problem: str | None


class GpuSampler:
    """Asks NVML for all GPUs; opens it at the first sample, and again after the driver went away and came back.

    In a container the driver may report the host's process ids, or none: :func:`own_account` mends that.
    """

    def __init__(self) -> None:
        self._nvml: ModuleType | None = None  # the pynvml module between nvmlInit and nvmlShutdown

    def sample(self, our_pids: Collection[int] = ()) -> GpuSnapshot:
        """Read every GPU now, in a few milliseconds; processes in `our_pids` are marked. Never raises."""
        try:
            nvml = self._open()
            handles = [_handle(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
        except Exception as error:  # noqa: BLE001  whatever a broken driver throws, the app goes on
            self.close()
            return GpuSnapshot((), _problem(error))
        if not handles:
            return GpuSnapshot((), "no NVIDIA GPU")
        gpus = [gpu for index, handle in enumerate(handles) for gpu in _read(nvml, index, handle, our_pids)]
        return GpuSnapshot(tuple(gpus), None)

    def close(self) -> None:
        """Let go of the driver; the next sample opens it again. Never raises."""
        if self._nvml is not None:
            _ask(self._nvml.nvmlShutdown)
            self._nvml = None

    def _open(self) -> ModuleType:
        if self._nvml is None:
            with warnings.catch_warnings():
                # The package named pynvml, where another program installed it, warns on import and works all the same.
                warnings.simplefilter("ignore", FutureWarning)
                import pynvml  # here, so that a machine without the library still has an app
            pynvml.nvmlInit()
            self._nvml = pynvml
        return self._nvml


def _handle(nvml: ModuleType, index: int) -> Any:
    """NVML's handle of one GPU; ``None`` for one that is sick, fell off the bus or is somebody else's: the others work.

    Raises NVMLError when the driver itself has gone.
    """
    try:
        return nvml.nvmlDeviceGetHandleByIndex(index)
    except (nvml.NVMLError_Uninitialized, nvml.NVMLError_DriverNotLoaded, nvml.NVMLError_LibRmVersionMismatch):
        raise
    except nvml.NVMLError:
        return None


def _read(nvml: ModuleType, index: int, handle: Any, our_pids: Collection[int]) -> list[Gpu]:
    """A GPU, or the parts of one that is cut."""
    rates = _ask(nvml.nvmlDeviceGetUtilizationRates, handle)
    is_cut = bool((_ask(lambda: nvml.nvmlDeviceGetMigMode(handle)) or [0])[0])
    parts = _parts(nvml, handle) if is_cut else {}
    whole = Gpu(
        index=index,
        name=_ask(nvml.nvmlDeviceGetName, handle) or "unknown GPU",
        uuid=_ask(nvml.nvmlDeviceGetUUID, handle) or "",
        utilisation_percent=None if rates is None else rates.gpu,
        memory_used_bytes=None,
        memory_total_bytes=None,
        temperature_c=_ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
        power_w=_watts(_ask(nvml.nvmlDeviceGetPowerUsage, handle)),
        power_limit_w=_watts(_ask(nvml.nvmlDeviceGetEnforcedPowerLimit, handle)),
        processes=(),
        clock_mhz=_ask(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
        memory_clock_mhz=_ask(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)),
        held_back_by=_held_back_by(nvml, handle),
        needs_parts=is_cut and not parts,
        capability=_ask(lambda: _pair(nvml.nvmlDeviceGetCudaComputeCapability(handle))),
    )
    if not parts:
        return [_with_memory(nvml, whole, handle, our_pids)]
    return [
        _with_memory(
            nvml,
            replace(
                whole,
                part=part,
                name=_ask(nvml.nvmlDeviceGetName, own) or f"{whole.name} MIG",
                uuid=_ask(nvml.nvmlDeviceGetUUID, own) or "",
            ),
            own,
            our_pids,
        )
        for part, own in parts.items()
    ]


def _parts(nvml: ModuleType, handle: Any) -> dict[int, Any]:
    """NVML's handles of the parts that were made of a GPU, by their number; numbers may be missing between them."""
    most = _ask(lambda: nvml.nvmlDeviceGetMaxMigDeviceCount(handle)) or 0
    found = {part: _ask(nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, part) for part in range(most)}
    return {part: own for part, own in found.items() if own is not None}


def _with_memory(nvml: ModuleType, gpu: Gpu, handle: Any, our_pids: Collection[int]) -> Gpu:
    memory = _ask(nvml.nvmlDeviceGetMemoryInfo, handle)
    return replace(
        gpu,
        memory_used_bytes=None if memory is None else memory.used,
        memory_total_bytes=None if memory is None else memory.total,
        processes=_processes(nvml, handle, our_pids),
    )


def own_account(gpu: Gpu, used_bytes: int) -> Gpu:
    """The GPU with our process among the others, by its own account, where the driver told none of ours.

    What the driver told of it under a number that means nothing here is most likely the process nearest in size.
    """
    if any(process.ours for process in gpu.processes):
        return gpu
    others = sorted(gpu.processes, key=lambda process: abs((process.used_bytes or 0) - used_bytes))
    if others and (others[0].used_bytes or 0) >= used_bytes:  # by the driver it has its context too, never less
        others = others[1:]
    return replace(gpu, processes=(GpuProcess(0, used_bytes, ours=True), *others))


def _held_back_by(nvml: ModuleType, handle: Any) -> tuple[str, ...] | None:
    bits = _ask(lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
    if bits is None:  # the name that older drivers know
        bits = _ask(lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
    if bits is None:
        return None
    return tuple(dict.fromkeys(word for bit, word in _HELD_BACK.items() if bits & bit))


def _processes(nvml: ModuleType, handle: Any, our_pids: Collection[int]) -> tuple[GpuProcess, ...]:
    """Computing and drawing processes by pid; one that does both is listed once."""
    used: dict[int, int | None] = {}
    for query in (nvml.nvmlDeviceGetGraphicsRunningProcesses, nvml.nvmlDeviceGetComputeRunningProcesses):
        for process in _ask(query, handle) or ():
            used[process.pid] = process.usedGpuMemory
    return tuple(GpuProcess(pid, used[pid], pid in our_pids) for pid in sorted(used))


def _ask(query: Callable[..., _T], *arguments: Any) -> _T | None:
    """The query's answer, or ``None`` if this GPU, driver or user has none to give."""
    try:
        return query(*arguments)
    except Exception:  # noqa: BLE001  not only NVMLError: an old driver lacks functions, a new one changes structures
        return None


def _pair(numbers: Sequence[int]) -> tuple[int, int]:
    major, minor = numbers
    return major, minor


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000


def _problem(error: Exception) -> str:
    """Why no GPU can be shown, in a few plain words."""
    if isinstance(error, ImportError):
        return "nvidia-ml-py is not installed"
    plain = {
        "NVMLError_LibraryNotFound": "no NVIDIA GPU: driver not installed",
        "NVMLError_DriverNotLoaded": "NVIDIA driver not loaded",
        "NVMLError_LibRmVersionMismatch": "NVIDIA driver was updated: restart the machine",
        "NVMLError_NoPermission": "no permission to ask the NVIDIA driver",
    }
    return plain.get(type(error).__name__) or f"NVIDIA driver: {error}"
