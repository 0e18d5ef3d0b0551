"""A disk that fills up under a run: it pauses by itself, goes on by itself, and nothing is lost.

The disk is a small tmpfs, which only root may mount.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import FaultRecord
from tests.worker.faults.support import PATIENCE_SECONDS, Outcome, eventful_recipe
from tinv_tui.runs.events import Event, read_all
from tinv_tui.runs.run import Run
from tinv_tui.runs.status import Status

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

DISK_BYTES = 48 * 2**20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Take all the room there is but ``leave`` bytes; deleting the file makes room again."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        try:
            while (free := os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize) > leave:
                file.write(b"\0" * min(2**20, free - leave))
        except OSError:
            pass  # not a byte is left
    return filler


async def until(run: Run, is_so: Callable[[str, Status], bool]) -> Status:
    """Wait until state and status are so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        state, status = run.state()
        assert state not in ("lost", "failed", "not-responding"), run.folder.worker_log.read_text()
        if status is not None and is_so(state, status):
            return status
        await asyncio.sleep(0.05)
    raise AssertionError(f"{run.state()}")


async def paused_by(disk: Path, run: Run, leave: int = 0) -> tuple[Path, Status]:
    await until(run, lambda state, status: status.step >= 5)
    filler = fill(disk, leave)
    return filler, await until(run, lambda state, status: state == "paused")


async def ended_of(run: Run) -> Event | None:
    """The last event, once the worker has let go of the disk."""
    ended = await run.wait()
    assert run.process is not None
    await asyncio.to_thread(run.process.wait, PATIENCE_SECONDS)
    return ended


def steps_told(events: list[Event], what: str) -> list[int]:
    return [e["step"] for e in events if e["kind"] == "saved" and e["what"] == what]


@pytest.mark.faults(ci=True)
async def test_a_run_whose_disk_is_full_to_the_last_byte_pauses_and_goes_on_when_there_is_room(
    disk: Path, never_disturbed: Outcome, monkeypatch: pytest.MonkeyPatch, fault: FaultRecord
) -> None:
    monkeypatch.setenv("TINV_HOME", str(disk / "home"))
    run = await Run.start(eventful_recipe())
    filler, status = await paused_by(disk, run)
    assert status.reason.startswith("the disk is full: ")
    assert str(disk) in status.reason
    later = await until(run, lambda state, now: now.beat >= status.beat + 3)  # still told, though there is no room
    assert (later.state, later.step, later.reason[:16]) == ("paused", status.step, status.reason[:16])

    filler.unlink()
    ended = await ended_of(run)
    assert ended is not None
    assert ended["state"] == "finished"
    final, last = run.state()
    assert last is not None
    assert (final, last.reason) == ("finished", "all steps done")
    assert Outcome.of(run) == never_disturbed
    events = read_all(run.folder.events)
    warnings = [e for e in events if e["kind"] == "warning" and e["code"].startswith("disk-")]
    assert [w["code"] for w in warnings] == ["disk-full", "disk-room"]
    assert warnings[0]["message"].startswith("paused: the disk is full")
    assert steps_told(events, "copy") == [15, 30, 45, 60]
    assert [e["step"] for e in events if e["kind"] == "preview"] == [20, 40, 60]
    fault("disk full to the last byte, then room again", steps_lost=0, identical=True)


async def test_a_run_stops_before_it_takes_the_last_room_and_uses_that_to_save_when_it_is_told_to_end(
    disk: Path, monkeypatch: pytest.MonkeyPatch, fault: FaultRecord
) -> None:
    monkeypatch.setenv("TINV_HOME", str(disk / "home"))
    run = await Run.start(eventful_recipe())
    _, status = await paused_by(disk, run, leave=2_000_000)
    assert "MB free" in status.reason
    assert "needs 4.2 MB" in status.reason
    assert (await run.command("stop"))["ok"]
    ended = await ended_of(run)
    assert ended is not None
    assert (ended["state"], ended["step"]) == ("stopped", status.step)
    assert Path(ended["embedding"]).is_file()
    fault("disk below the floor, then told to stop", steps_lost=0)


async def test_a_run_that_is_terminated_while_it_waits_for_room_ends_and_can_be_resumed(
    disk: Path, never_disturbed: Outcome, monkeypatch: pytest.MonkeyPatch, fault: FaultRecord
) -> None:
    monkeypatch.setenv("TINV_HOME", str(disk / "home"))
    run = await Run.start(eventful_recipe())
    filler, status = await paused_by(disk, run)
    assert run.process is not None
    run.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(run.process.wait, PATIENCE_SECONDS) == 0
    state, last = run.state()
    assert last is not None
    assert (state, last.step) == ("stopped", status.step)
    assert last.reason.startswith("told to stop while the disk is full")

    saved = steps_told(read_all(run.folder.events), "checkpoint")
    await run.resume()
    await until(run, lambda state, status: state == "paused")  # nor does a new worker need room to begin
    filler.unlink()
    ended = await ended_of(run)
    assert ended is not None
    assert ended["state"] == "finished"
    assert Outcome.of(run) == never_disturbed
    fault("disk full, then TERM, then resumed", steps_lost=status.step - saved[-1], identical=True)


async def test_a_result_waits_for_room_in_the_library(
    disk: Path, never_disturbed: Outcome, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: FaultRecord
) -> None:
    monkeypatch.setenv("TINV_HOME", str(disk / "home"))
    run = await Run.start(eventful_recipe(saving__log_directory=str(tmp_path / "elsewhere")))
    filler, status = await paused_by(disk, run)
    assert (status.step, status.phase) == (60, "saving")
    filler.unlink()
    ended = await ended_of(run)
    assert ended is not None
    assert ended["state"] == "finished"
    assert Outcome.of(run).results == never_disturbed.results
    fault("disk of the library full", steps_lost=0, identical=True)


async def test_a_run_whose_disk_is_full_before_its_first_step_waits_too(
    disk: Path, never_disturbed: Outcome, monkeypatch: pytest.MonkeyPatch, fault: FaultRecord
) -> None:
    monkeypatch.setenv("TINV_HOME", str(disk / "home"))
    run = await Run.start(eventful_recipe())
    filler = fill(disk, leave=2_000_000)
    await until(run, lambda state, status: state == "paused")
    filler.unlink()
    ended = await ended_of(run)
    assert ended is not None
    assert ended["state"] == "finished"
    assert Outcome.of(run) == never_disturbed
    fault("disk full before the first step", steps_lost=0, identical=True)
