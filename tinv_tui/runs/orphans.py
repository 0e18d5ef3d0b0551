"""Finds processes of workers that belong to no run any more: they hold memory, and nobody sees them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.liveness import living_holder
from tinv_tui.telemetry.host import process_memory_bytes

MARK = "TINV_WORKER_OF"
"""The variable in the environment of a worker, and so of all its children: the path of its run."""
_YOUNG_SECONDS = 20.0
"""So long may a worker take until it holds its lock."""


@dataclass(frozen=True)
class Orphan:
    """``why`` it is one, in words; memory in bytes where it can be read."""

    pid: int
    run: str
    why: str
    memory_bytes: int | None

    def in_words(self) -> str:
        held = f", holds {self.memory_bytes / 2**30:.1f} GiB" if self.memory_bytes else ""
        return f"orphan: process {self.pid} of {self.run}: {self.why}{held}; end it: kill {self.pid}"


def find_orphans() -> tuple[Orphan, ...]:
    """This user's orphans on this machine; none where the system does not show environments. Never raises."""
    found = []
    for process, run in _marked():
        why = _why_orphaned(process, RunFolder(Path(run)))
        if why:
            found.append(Orphan(process.pid, run, why, process_memory_bytes(process.pid)))
    return tuple(found)


def _marked() -> Iterator[tuple[psutil.Process, str]]:
    for process in psutil.process_iter():
        try:
            if process.uids().real == os.getuid() and (run := process.environ().get(MARK)):
                yield process, run
        except (psutil.Error, OSError):
            continue


def _why_orphaned(process: psutil.Process, run: RunFolder) -> str:
    """Empty for one that is in its place."""
    try:
        session = os.getsid(process.pid)
        is_young = time.time() - process.create_time() < _YOUNG_SECONDS
    except (psutil.Error, OSError):
        return ""
    holder = living_holder(run.lock)
    if holder is not None and holder.pid in (process.pid, session):
        return ""
    if not run.recipe.is_file():
        return "its run folder is gone"
    if session == process.pid:
        return "" if is_young else "it does not hold its run"
    return "" if psutil.pid_exists(session) else "its worker is gone"
