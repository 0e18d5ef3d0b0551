"""The host's processor, memory and disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class HostSnapshot:
    """One look at the host.

    ``cpu_percent`` is 0 to 100 over all cores, since the sample before. ``memory_used_bytes`` is what a new program
    could not get: the total less what is available. ``disk_free_bytes`` is ``None`` where the file system does not say.
    ``load`` is the one-minute load average, in runnable processes.
    """

    cpu_percent: float
    memory_used_bytes: int
    memory_total_bytes: int
    disk_free_bytes: int | None
    load: float


def sample_host(path: Path) -> HostSnapshot:
    """Sample the host; the free disk space is that of the file system holding `path`, which need not exist yet."""
    memory = psutil.virtual_memory()
    return HostSnapshot(
        cpu_percent=_cpu.percent(),
        memory_used_bytes=memory.total - memory.available,
        memory_total_bytes=memory.total,
        disk_free_bytes=_disk_free_bytes(path),
        load=psutil.getloadavg()[0],
    )


def process_memory_bytes(pid: int) -> int | None:
    """Resident memory of a process, in bytes; ``None`` if it is gone or not ours to look at."""
    try:
        return psutil.Process(pid).memory_info().rss
    except (psutil.Error, ValueError, OverflowError):
        return None


class _CpuMeter:
    """Processor use since the previous reading, whichever thread took it.

    ``psutil.cpu_percent`` keeps its previous reading per thread, and answers 0 to every new thread of a pool.
    """

    def __init__(self) -> None:
        self._busy, self._total = _cpu_seconds()
        self._percent = 0.0

    def percent(self) -> float:
        """0 to 100 over all cores; the last answer again where the clock has not advanced."""
        busy, total = _cpu_seconds()
        if total > self._total:
            share = (busy - self._busy) / (total - self._total)
            self._percent = 100.0 * min(max(share, 0.0), 1.0)
            self._busy, self._total = busy, total
        return self._percent


def _cpu_seconds() -> tuple[float, float]:
    """Seconds since boot, summed over all cores: busy, and in total."""
    times = psutil.cpu_times()._asdict()
    # Linux counts the time of guests within `user` and `nice` already.
    total = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
    return total - times["idle"] - times.get("iowait", 0.0), total


def _disk_free_bytes(path: Path) -> int | None:
    existing = path.absolute()
    while not os.path.exists(existing) and existing != existing.parent:
        existing = existing.parent
    try:
        return psutil.disk_usage(str(existing)).free
    except OSError:
        return None


_cpu = _CpuMeter()
