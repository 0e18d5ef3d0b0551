"""Takes the device that this process will train on, before torch is imported."""

from __future__ import annotations

import os

from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.neighbours import neighbours_on, sharing_warning
from tinv_tui.runs.sharing import DeviceLock
from tinv_tui.telemetry.room import Room, room_for_training
from tinv_tui.worker.reporter import Reporter


def show_torch_only(room: Room) -> None:
    """Of several GPUs let torch see the one that was chosen, unless the user has chosen already."""
    if room.was_chosen and room.key and "CUDA_VISIBLE_DEVICES" not in os.environ:
        os.environ["CUDA_VISIBLE_DEVICES"] = room.key


class TakenDevice:
    """The device of this worker; other runs see it taken until :meth:`release`, and are told of here as a warning."""

    def __init__(self, folder: RunFolder, reporter: Reporter) -> None:
        room = room_for_training()
        show_torch_only(room)
        reporter.update(device=room.device if room.on_gpu else "cpu")
        self._lock: DeviceLock | None = None
        try:
            self._lock = DeviceLock(room.key, folder.path)
        except OSError as error:
            print(f"other runs cannot see which device this one takes: {error}", flush=True)
        shared = sharing_warning(room, neighbours_on(room))
        if shared:
            reporter.tell("warning", code="device-shared", message=shared, hint="")

    def release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None
