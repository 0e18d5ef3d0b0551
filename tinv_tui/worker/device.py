"""Takes the device that this process will train on, before torch is imported."""

from __future__ import annotations

import os

from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.neighbours import neighbours_on, sharing_warning
from tinv_tui.runs.sharing import DeviceLock
from tinv_tui.telemetry.room import Room, room_for_training
from tinv_tui.worker.reporter import Reporter
from tinv_tui.worker.signals import Signals
from tinv_tui.worker.waiting import RoomKeeper, take_lock


def show_torch_only(room: Room) -> None:
    """Of several GPUs let torch see the one that was chosen, unless the user has chosen already."""
    if room.was_chosen and room.key and "CUDA_VISIBLE_DEVICES" not in os.environ:
        os.environ["CUDA_VISIBLE_DEVICES"] = room.key


class TakenDevice:
    """The device of this worker; other runs see it taken until :meth:`release`, and are told of here as a warning."""

    def __init__(self, folder: RunFolder, reporter: Reporter, signals: Signals, wait_free_bytes: int = 0) -> None:
        """Returns when so much of its memory is free. Raises EndedEarly when the run is stopped before."""
        self._lock: DeviceLock | None = None
        if wait_free_bytes:
            room, self._lock = RoomKeeper(wait_free_bytes, folder, reporter, signals).wait()
            reporter.update(phase="loading")
        else:
            room = room_for_training()
            self._lock = take_lock(room, folder)
        show_torch_only(room)
        reporter.update(device=room.device if room.on_gpu else "cpu")
        shared = sharing_warning(room, neighbours_on(room))
        if shared:
            reporter.tell("warning", code="device-shared", message=shared, hint="")

    def release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None
