"""Whether a run's worker lives: from its lock, then its process, then its heartbeat."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import psutil

from tinv_tui.atomic import is_disk_trouble
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.heartbeat import age_seconds, is_silent
from tinv_tui.runs.status import FINAL_STATES, Status, read_status

RunState = Literal["starting", "running", "paused", "not-responding", "lost", "finished", "stopped", "failed"]

STOPPING = frozenset({signal.SIGTERM, signal.SIGINT})
"""What tells a worker to save and stop."""
LIVE_STATES = ("starting", "running", "paused", "not-responding")
"""States of a run that is under way. A worker holds it, or is about to: all but a released pause, see :func:`has_worker`."""
SILENT_SECONDS = 15.0
"""A worker that has not renewed its status for so long is said to be not responding."""
STARTING_SECONDS = 20.0
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What a file system without locks says, be it one of a network or of a process of the user: the heartbeat must do."""


@dataclass(frozen=True)
class Holder:
    """Who wrote the lock file."""

    pid: int
    start_time: float
    boot_id: str
    host: str


_held_here: set[Path] = set()
"""Locks of this very process: opening and closing such a file once more would let go of it (POSIX)."""


class RunLock:
    """The worker's own hold on its run, for as long as the process lives."""

    def __init__(self, path: Path) -> None:
        """Raises BlockingIOError when another worker holds it."""
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            os.lockf(self._handle, os.F_TLOCK, 0)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                os.close(self._handle)
                raise BlockingIOError(f"{path} is held by another worker") from None
            if error.errno not in _NO_LOCKS:
                raise
        holder = {
            "pid": os.getpid(),
            "start_time": _start_time(os.getpid()),
            "boot_id": boot_id(),
            "host": socket.gethostname(),
        }
        _write_over(self._handle, json.dumps(holder).encode())
        _held_here.add(path)


def _write_over(handle: int, content: bytes) -> None:
    """In place of what an earlier worker wrote: a full disk may have no room for it a second time, and is no hindrance."""
    try:
        os.pwrite(handle, content.ljust(os.fstat(handle).st_size), 0)
    except OSError as error:
        if not is_disk_trouble(error):
            raise


def is_locked(path: Path) -> bool | None:
    """Whether a living worker holds the lock; None when the file system has no locks. Never takes the lock."""
    if path in _held_here:
        return True
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        os.lockf(handle, os.F_TEST, 0)
    except OSError as error:
        return None if error.errno in _NO_LOCKS else True
    finally:
        os.close(handle)
    return False


def read_holder(path: Path) -> Holder | None:
    """Who wrote the lock file last, whether alive or not. A process never reads its own: see ``_held_here``."""
    if path in _held_here:
        return None
    try:
        content = json.loads(path.read_text())
        return Holder(int(content["pid"]), float(content["start_time"]), str(content["boot_id"]), str(content["host"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def living_holder(path: Path) -> Holder | None:
    """Who holds the lock, where that is a living process of this machine and boot."""
    holder = read_holder(path)
    if holder is None or not _is_of_this_host(holder) or is_locked(path) is False:
        return None
    return holder if abs(_start_time(holder.pid) - holder.start_time) < 1 else None


def state_of(folder: RunFolder) -> tuple[RunState, Status | None]:
    """The true state of a run, with the worker's own last status."""
    status = read_status(folder.status)
    locked = is_locked(folder.lock)
    if locked is None:
        locked = _process_lives(read_holder(folder.lock), folder.status, status)
    if locked:
        if status is None:
            return "starting", None
        if status.state not in FINAL_STATES and is_silent(folder.status, status, SILENT_SECONDS):
            return "not-responding", status
        return status.state, status  # type: ignore[return-value]
    if status is not None and status.state in FINAL_STATES:
        return status.state, status  # type: ignore[return-value]
    if status is not None and status.state == "starting" and age_seconds(status) < STARTING_SECONDS and status.pid == 0:
        return "starting", status  # made, but the worker has not taken the lock yet
    if status is not None and status.state == "paused" and status.released:
        return "paused", status
    return "lost", status


def has_worker(state: RunState, status: Status | None) -> bool:
    """Whether a worker can take commands: not that of a paused run that has given its memory back."""
    return state in LIVE_STATES and not (state == "paused" and status is not None and status.released)


def in_words(state: RunState, status: Status | None) -> str:
    """The state as people read it."""
    return "paused (memory given back)" if state == "paused" and not has_worker(state, status) else state


def reason_of(folder: RunFolder, state: RunState, status: Status | None) -> str:
    """Why the run is in that state, in words; empty where the state says all."""
    if state == "not-responding" and status is not None:
        try:
            return f"no sign of life since {datetime.fromisoformat(status.t).astimezone():%Y-%m-%d %H:%M:%S}"
        except (TypeError, ValueError):
            return "no sign of life"
    if state != "lost":
        return status.reason if status is not None else ""
    holder = read_holder(folder.lock)
    if holder is None:
        return "its worker never began"
    if holder.host != socket.gethostname():
        return f"its process on {holder.host} is gone"
    if holder.boot_id != boot_id():
        return "the machine was restarted"
    return "its process is gone: killed, or out of memory"


def _process_lives(holder: Holder | None, path: Path, status: Status | None) -> bool:
    if holder is None:
        return False
    if not _is_of_this_host(holder):
        return status is not None and status.state not in FINAL_STATES and not is_silent(path, status, 600)
    return abs(_start_time(holder.pid) - holder.start_time) < 1


def _is_of_this_host(holder: Holder | None) -> bool:
    return holder is not None and holder.host == socket.gethostname() and holder.boot_id == boot_id()


def _start_time(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


def boot_id() -> str:
    """Changes with every boot, so that a pid of an earlier one is not taken for ours."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(psutil.boot_time())
