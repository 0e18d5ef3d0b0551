"""Who else is on the device that a run would take: runs of any user, and on a GPU every process that holds memory."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import psutil

from tinv_tui.printable import printable
from tinv_tui.runs.sharing import Sharer, sharers_of
from tinv_tui.telemetry.gpu import Gpu
from tinv_tui.telemetry.host import process_memory_bytes
from tinv_tui.telemetry.room import Room, free_on, room_for_training

LOADING_SECONDS = 120.0
"""For so long a run that has just started may not hold yet what it is going to."""
_FIRST_PID_NAMESPACE = 4026531836
"""Linux's own number of it. In any other, as in a container, the driver's process ids mean other processes here."""


@dataclass(frozen=True)
class Neighbour:
    """``used_bytes`` is what it holds of the device's memory; what is not known is None, or empty."""

    pid: int
    user: str
    name: str
    """Of the run, or of the program."""
    used_bytes: int | None
    run: str | None = None
    """The folder, where it is a run of this program."""

    def in_words(self) -> str:
        """``my-cat (pid 41, ana) 2.3 GiB``."""
        who = ", ".join(part for part in (f"pid {self.pid}", self.user) if part)
        held = "" if self.used_bytes is None else f" {self.used_bytes / 2**30:.1f} GiB"
        return f"{self.name or 'a process'} ({who}){held}"


def room_beside_others() -> Room:
    """Where a run that starts now would train, and what is free there.

    Runs that were started together hold no memory yet when the next looks: all would go to one GPU of several. Each that is
    still to come is taken for as large as the one that looks.
    """
    return room_for_training(lambda gpu: free_on(gpu) / (1 + _still_to_come(gpu)))


def _still_to_come(gpu: Gpu) -> int:
    holding = {process.pid for process in gpu.processes}
    young = [s for s in sharers_of(gpu.uuid) if time.time() - s.since < LOADING_SECONDS]
    return sum(s.pid not in holding for s in young)


def neighbours_on(room: Room, but_pid: int | None = None) -> tuple[Neighbour, ...]:
    """Runs first, then the other processes that hold most. Never raises. ``but_pid`` is left out, as is this process."""
    used = {process.pid: process.used_bytes for process in room.processes}
    runs = [_run(sharer, used, on_gpu=room.on_gpu) for sharer in sharers_of(room.key)]
    known = {run.pid for run in runs} | {os.getpid()}
    others = [_process(pid, held) for pid, held in used.items() if pid not in known]
    others.sort(key=lambda other: -(other.used_bytes or 0))
    return tuple(n for n in (*runs, *others) if n.pid != but_pid)


def in_words(neighbours: tuple[Neighbour, ...], most: int = 3) -> str:
    """The first few by name, the rest counted; empty when there is none."""
    said = [neighbour.in_words() for neighbour in neighbours[:most]]
    if len(neighbours) > most:
        said.append(f"{len(neighbours) - most} more")
    return ", ".join(said)


def sharing_warning(room: Room, neighbours: tuple[Neighbour, ...]) -> str:
    """What to say of runs that are on the device already; empty when there is none."""
    runs = tuple(neighbour for neighbour in neighbours if neighbour.run is not None)
    if not runs:
        return ""
    free = "" if room.free_bytes is None else f", {room.free_bytes / 2**30:.1f} GiB free"
    return f"{room.device} trains already: {in_words(runs)}{free}; side by side each takes longer"


def _run(sharer: Sharer, used: dict[int, int | None], *, on_gpu: bool) -> Neighbour:
    held = used.get(sharer.pid) if on_gpu else process_memory_bytes(sharer.pid)
    return Neighbour(sharer.pid, sharer.user, sharer.name, held, sharer.run)


def _process(pid: int, held: int | None) -> Neighbour:
    if not _pids_are_ours():
        return Neighbour(pid, "", "", held)
    try:
        process = psutil.Process(pid)
        return Neighbour(pid, printable(process.username()), printable(process.name()), held)
    except (psutil.Error, ValueError, OverflowError, KeyError):
        return Neighbour(pid, "", "", held)


def _pids_are_ours() -> bool:
    try:
        return os.stat("/proc/self/ns/pid").st_ino == _FIRST_PID_NAMESPACE
    except OSError:
        return False
