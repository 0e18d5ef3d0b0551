"""Takes the device that this process will train on, before torch is imported."""

from __future__ import annotations

import os

from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.neighbours import neighbours_on, room_beside_others, sharing_warning
from tinv_tui.runs.sharing import DeviceLock, sharers_of
from tinv_tui.telemetry.room import Room, environment_for
from tinv_tui.worker.reporter import Reporter
from tinv_tui.worker.signals import Signals
from tinv_tui.worker.waiting import RoomKeeper, take_lock


def show_torch_only(room: Room) -> None:
    """Of several GPUs let torch see the one that was chosen, unless the user has chosen already."""
    os.environ.update(environment_for(room))


class TakenDevice:
    """The device of this worker; other runs see it taken until :meth:`release`, and are told of here as a warning."""

    def __init__(self, folder: RunFolder, reporter: Reporter, signals: Signals, wait_free_bytes: int = 0) -> None:
        """Returns when so much of its memory is free. Raises EndedEarly when the run is stopped before."""
        self._lock: DeviceLock | None = None
        if wait_free_bytes:
            room, self._lock = RoomKeeper(wait_free_bytes, folder, reporter, signals).wait()
            reporter.update(phase="loading")
        else:
            room, self._lock = _take(folder)
        show_torch_only(room)
        reporter.update(device=room.device if room.on_gpu else "cpu")
        shared = sharing_warning(room, neighbours_on(room))
        if shared:
            reporter.tell("warning", code="device-shared", message=shared, hint="")

    def release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _take(folder: RunFolder) -> tuple[Room, DeviceLock | None]:
    room = room_beside_others()
    lock = take_lock(room, folder)
    if room.was_chosen and lock is not None and any(other.since < lock.since for other in sharers_of(room.key)):
        # Of two that chose at one moment, the one that took the device first keeps it, and the other looks again.
        lock.release()
        room = room_beside_others()
        lock = take_lock(room, folder)
    return room, lock
