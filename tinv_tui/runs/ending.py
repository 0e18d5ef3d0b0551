"""Ends a worker that does not end when it is asked to: its process is told first, then killed with all its children."""

from __future__ import annotations

import asyncio
import os
import signal

from tinv_tui.errors import InputError
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.liveness import living_holder, read_holder

_POLL_SECONDS = 0.1


def signal_worker(folder: RunFolder, number: int) -> bool:
    """Send a signal to the run's worker; False when there is none on this machine. Raises InputError when it may not."""
    holder = living_holder(folder.lock)
    if holder is None:
        return False
    try:
        os.kill(holder.pid, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        raise _not_ours(folder, holder.pid) from None
    return True


def terminate_worker(folder: RunFolder) -> None:
    """Tell the process to end: it saves and stops after its step, if it can. Raises InputError."""
    if not signal_worker(folder, signal.SIGTERM):
        raise _nobody(folder)


def kill_worker(folder: RunFolder) -> None:
    """Kill the worker's whole process group; the steps since the last checkpoint are lost. Raises InputError."""
    holder = living_holder(folder.lock)
    if holder is None:
        raise _nobody(folder)
    try:
        if os.getpgid(holder.pid) == holder.pid:  # it leads a session of its own, unless somebody started it by hand
            os.killpg(holder.pid, signal.SIGKILL)
        else:
            os.kill(holder.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    except PermissionError:
        raise _not_ours(folder, holder.pid) from None


async def is_gone(folder: RunFolder, seconds: float) -> bool:
    """Whether the worker ends within so many seconds."""
    deadline = asyncio.get_running_loop().time() + seconds
    while await asyncio.to_thread(living_holder, folder.lock) is not None:
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


def _nobody(folder: RunFolder) -> InputError:
    holder = read_holder(folder.lock)
    where = f"; it was last held on {holder.host}, pid {holder.pid}" if holder is not None else ""
    return InputError("worker-missing", f"{folder.name} has no worker on this machine{where}", "See: tinv-tui runs")


def _not_ours(folder: RunFolder, pid: int) -> InputError:
    return InputError(
        "worker-not-ours", f"the worker of {folder.name} (pid {pid}) belongs to another user", "Ask them."
    )
