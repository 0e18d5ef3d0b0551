"""A worker that waits for memory: whom it waits for, and who of several goes first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.nvml import rtx_3080
from tests.unit.test_memory import machine, on_gpu
from tests.unit.test_sharing import locks, other_run
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.inbox import Command, post_command
from tinv_tui.runs.phases import counted
from tinv_tui.runs.sharing import Sharer
from tinv_tui.telemetry.gpu import Gpu
from tinv_tui.telemetry.room import Room
from tinv_tui.worker import waiting
from tinv_tui.worker.early import EndedEarly
from tinv_tui.worker.signals import Signals
from tinv_tui.worker.waiting import RoomKeeper

__all__ = ["locks", "machine", "on_gpu", "other_run"]

GIB = 2**30


class Told:
    """A reporter that only keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def tell(self, kind: str, **fields: Any) -> None:
        self.events.append({"kind": kind, **fields})

    def update(self, **fields: Any) -> None:
        pass

    def refused(self, what: str) -> None:
        self.tell("warning", message=what)

    def answer(self, command: Command, ok: bool, message: str) -> None:
        self.tell("ack", id=command.id, command=command.command, ok=ok, message=message)


class Machine:
    """How much is free at each look, and then for good."""

    def __init__(self, *free_gib: float | None) -> None:
        self._free = list(free_gib)
        self.looks = 0

    def look(self, to_be_had: Callable[[Gpu], float], wanted: float) -> Room:
        self.looks += 1
        free = self._free.pop(0) if len(self._free) > 1 else self._free[0]
        return Room(False, "this machine", None if free is None else int(free * GIB), 16 * GIB)


@pytest.fixture
def wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Wait for 4 GiB on a machine; answers with what was told."""
    folder = RunFolder(tmp_path / "run")
    folder.inbox.mkdir(parents=True)
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.01)

    def go(
        machine: Machine, *, commands: tuple[str, ...] = (), stop: bool = False, **args: Any
    ) -> list[dict[str, Any]]:
        monkeypatch.setattr(waiting, "room_for_training", machine.look)
        for command in commands:
            post_command(folder.inbox, command, args)
        told, signals = Told(), Signals()
        if stop:
            signals.stop.set()
        _, lock = RoomKeeper(4 * GIB, folder, told, signals).wait()  # type: ignore[arg-type]
        assert lock is not None
        lock.release()
        return told.events

    return go


def test_where_there_is_room_nothing_is_waited_for(wait: Any) -> None:
    machine = Machine(4)
    assert wait(machine) == []
    assert machine.looks == 1


def test_it_looks_again_until_there_is_room_and_tells_it_once(wait: Any) -> None:
    machine = Machine(1, 1, 3.9, 4)
    (told,) = wait(machine)
    assert told["message"] == "waiting for 4.0 GiB on this machine, 1.0 free"
    assert machine.looks == 4


def test_what_it_waits_for_is_said_in_gib() -> None:
    assert counted("waiting", 1024, 4096) == "waiting for 4.0 GiB, 1.0 free"


def test_it_says_who_is_there(wait: Any, other_run: Any) -> None:
    process = other_run()
    (told,) = wait(Machine(1, 9))
    assert f"; there: my-cat (pid {process.pid}, " in told["message"]


def test_where_nobody_tells_how_much_is_free_it_says_so_and_goes_on(wait: Any) -> None:
    (told,) = wait(Machine(None))
    assert (told["kind"], told["code"]) == ("warning", "free-memory-unknown")


def test_stop_and_term_end_it(wait: Any) -> None:
    with pytest.raises(EndedEarly):
        wait(Machine(1), commands=("stop",))
    with pytest.raises(EndedEarly):
        wait(Machine(1), stop=True)


def test_a_pause_that_gives_memory_back_ends_its_worker(wait: Any) -> None:
    with pytest.raises(EndedEarly) as ended:
        wait(Machine(1), commands=("pause",), release=True)
    assert ended.value.released


def test_unpause_starts_it_and_other_commands_are_refused(wait: Any) -> None:
    acks = [event for event in wait(Machine(1), commands=("pause", "preview", "unpause")) if event["kind"] == "ack"]
    assert [(ack["command"], ack["ok"]) for ack in acks] == [("pause", False), ("preview", False), ("unpause", True)]


def young(machine: Machine, monkeypatch: pytest.MonkeyPatch, since: float, expects_gib: float) -> None:
    """A run that took the device at that time, of this test's clock, and holds nothing yet."""
    sharer = Sharer(2**22 + 1, "ana", "/my-cat", since, int(expects_gib * GIB))  # no process has such an id
    monkeypatch.setattr(waiting, "sharers_of", lambda _key: (sharer,) if machine.looks < 3 else ())


def test_what_a_run_has_waited_for_and_is_still_loading_is_spoken_for(
    wait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(6)
    young(machine, monkeypatch, since=waiting.time.time(), expects_gib=3)
    wait(machine)
    assert machine.looks == 3


def test_a_run_that_has_had_time_to_load_holds_what_it_takes(wait: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(6)
    young(machine, monkeypatch, since=waiting.time.time() - waiting.LOADING_SECONDS - 1, expects_gib=3)
    wait(machine)
    assert machine.looks == 1


def test_of_two_that_saw_the_room_at_one_moment_the_first_to_take_it_has_it(
    wait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other took the device after this one saw that it was free, and before this one took it itself."""
    machine, seen, times = Machine(6), list[int](), list[float]()

    def sharers(_key: str) -> tuple[Sharer, ...]:
        seen.append(machine.looks)
        times.append(waiting.time.time())
        other = Sharer(2**22 + 1, "ana", "/my-cat", times[0], 3 * GIB)
        return (other,) if len(seen) == 2 else ()

    monkeypatch.setattr(waiting, "sharers_of", sharers)
    wait(machine)
    assert seen == [1, 1, 2, 2]


def test_of_two_gpus_the_one_whose_memory_is_not_spoken_for_is_waited_for(
    on_gpu: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each has 4 GiB free; a run that is still loading has waited for those of the first."""
    on_gpu(rtx_3080(nvmlDeviceGetUUID="GPU-first"), rtx_3080(nvmlDeviceGetUUID="GPU-second"))
    other = Sharer(2**22 + 1, "ana", "/my-cat", waiting.time.time(), 3 * GIB)
    monkeypatch.setattr(waiting, "sharers_of", lambda device: (other,) if device == "GPU-first" else ())
    folder = RunFolder(tmp_path / "run")
    folder.inbox.mkdir(parents=True)
    room, lock = RoomKeeper(4 * GIB, folder, Told(), Signals()).wait()  # type: ignore[arg-type]
    assert lock is not None
    lock.release()
    assert room.key == "GPU-second"


def test_an_old_card_with_room_is_not_passed_over_for_a_swift_one_without(
    on_gpu: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each has 4 GiB free; of those of the swift one 1.5 are spoken for."""
    capability = "nvmlDeviceGetCudaComputeCapability"
    on_gpu(
        rtx_3080(nvmlDeviceGetUUID="GPU-old", **{capability: (6, 1)}),
        rtx_3080(nvmlDeviceGetUUID="GPU-swift", **{capability: (8, 6)}),
    )
    other = Sharer(2**22 + 1, "ana", "/my-cat", waiting.time.time(), 3 * GIB // 2)
    monkeypatch.setattr(waiting, "sharers_of", lambda device: (other,) if device == "GPU-swift" else ())
    folder = RunFolder(tmp_path / "run")
    folder.inbox.mkdir(parents=True)
    for wanted, taken in ((2, "GPU-swift"), (3, "GPU-old")):
        room, lock = RoomKeeper(wanted * GIB, folder, Told(), Signals()).wait()  # type: ignore[arg-type]
        assert lock is not None
        lock.release()
        assert room.key == taken
