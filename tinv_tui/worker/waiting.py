"""Waits until a device has room for a run. Nothing is loaded before: a waiting worker holds some 100 MB of the host."""

from __future__ import annotations

import time

from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.inbox import Command, take_commands
from tinv_tui.runs.neighbours import LOADING_SECONDS, in_words, neighbours_on
from tinv_tui.runs.sharing import DeviceLock, Sharer, sharers_of
from tinv_tui.telemetry.gpu import Gpu, GpuProcess
from tinv_tui.telemetry.host import process_memory_bytes
from tinv_tui.telemetry.room import PROCESSOR, Room, free_on, room_for_training
from tinv_tui.worker.early import EndedEarly
from tinv_tui.worker.reporter import Reporter
from tinv_tui.worker.signals import Signals

LOOK_SECONDS = 1.0
_INBOX_SECONDS = 0.1
_TOLD_EVERY_SECONDS = 600.0


def take_lock(room: Room, folder: RunFolder, expects_bytes: int = 0) -> DeviceLock | None:
    """The run's hold on the device; None where other runs cannot be told of it, which hinders nothing."""
    try:
        return DeviceLock(room.key, folder.path, expects_bytes)
    except OSError as error:
        print(f"other runs cannot see which device this one takes: {error}", flush=True)
        return None


class RoomKeeper:
    """Waits for ``wanted_bytes`` of free memory, on whichever GPU has them first."""

    def __init__(self, wanted_bytes: int, folder: RunFolder, reporter: Reporter, signals: Signals) -> None:
        self._wanted = wanted_bytes
        self._folder = folder
        self._reporter = reporter
        self._signals = signals
        self._told: tuple[str, frozenset[int]] | None = None
        self._told_at = 0.0

    def wait(self) -> tuple[Room, DeviceLock | None]:
        """The device, taken as soon as it has room, or when ``unpause`` says to start all the same. Raises EndedEarly."""
        self._reporter.update(phase="waiting")
        while True:
            room = room_for_training(self._to_be_had, self._wanted)
            if room.free_bytes is None:
                message = f"{room.device} does not tell how much memory is free: not waiting for it"
                self._reporter.tell("warning", code="free-memory-unknown", message=message, hint="")
                return room, take_lock(room, self._folder, self._wanted)
            if room.free_bytes - _spoken_for(room.key, room.processes, time.time()) >= self._wanted:
                lock = take_lock(room, self._folder, self._wanted)
                # Of two that saw the room at one moment, the one that took the device first has it.
                if lock is None or room.free_bytes - _spoken_for(room.key, room.processes, lock.since) >= self._wanted:
                    return room, lock
                lock.release()
            self._tell(room)
            if self._is_told_to_start():
                return room, take_lock(room, self._folder, self._wanted)

    def _to_be_had(self, gpu: Gpu) -> float:
        return free_on(gpu) - _spoken_for(gpu.uuid, gpu.processes, time.time())

    def _tell(self, room: Room) -> None:
        """At first, when others come or go, and now and then."""
        others = neighbours_on(room)
        now = room.key, frozenset(other.pid for other in others)
        if now == self._told and time.monotonic() - self._told_at < _TOLD_EVERY_SECONDS:
            return
        self._told, self._told_at = now, time.monotonic()
        free = room.free_bytes or 0
        message = f"waiting for {self._wanted / 2**30:.1f} GiB on {room.device}, {free / 2**30:.1f} free"
        if others:
            message += f"; there: {in_words(others)}"
        self._reporter.tell("phase", name="waiting", done=free >> 20, total=self._wanted >> 20, message=message)

    def _is_told_to_start(self) -> bool:
        """Take commands until it is time to look at the memory again. Raises EndedEarly."""
        until = time.monotonic() + LOOK_SECONDS
        while time.monotonic() < until:
            for command in take_commands(self._folder.inbox, self._reporter.refused):
                if self._obey(command):
                    return True
            if self._signals.stop.wait(_INBOX_SECONDS):
                raise EndedEarly
        return False

    def _obey(self, command: Command) -> bool:
        """Whether it says to start. Raises EndedEarly."""
        match command.command:
            case "stop":
                self._reporter.answer(command, True, "stopping; it has waited for memory, and nothing was begun")
                raise EndedEarly
            case "pause" if command.args.get("release"):
                self._reporter.answer(command, True, "paused; it has waited for memory, and nothing was begun")
                raise EndedEarly(released=True)
            case "unpause":
                self._reporter.answer(command, True, "waiting no longer: starting with the memory there is")
                return True
            case _:
                start = f"tinv-tui unpause {self._folder.handle}"
                message = f"it waits for memory and has not begun; {start} starts it now, stop ends it"
                self._reporter.answer(command, False, message)
                return False


def _spoken_for(device: str, processes: tuple[GpuProcess, ...], before: float) -> int:
    """Bytes that runs which took the device before that time have waited for, and do not hold yet."""
    used = {process.pid: process.used_bytes for process in processes}

    def still_comes(sharer: Sharer) -> int:
        held = process_memory_bytes(sharer.pid) if device == PROCESSOR else used.get(sharer.pid)
        return max(0, sharer.expects_bytes - (held or 0))

    young = [s for s in sharers_of(device) if s.since < before and time.time() - s.since < LOADING_SECONDS]
    return sum(map(still_comes, young))
