"""The present of a run, and whether its worker lives; locks are held by real processes."""

from __future__ import annotations

import errno
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from tinv_tui.atomic import write_atomic
from tinv_tui.errors import InputError
from tinv_tui.runs import heartbeat
from tinv_tui.runs.folder import RunFolder, create_run_folder
from tinv_tui.runs.launch import launch_worker
from tinv_tui.runs.liveness import (
    RunLock,
    boot_id,
    has_worker,
    in_words,
    is_locked,
    living_holder,
    read_holder,
    reason_of,
    state_of,
)
from tinv_tui.runs.status import Status, read_status, write_status

HOLD = (
    "import sys; from pathlib import Path; from tinv_tui.runs.liveness import RunLock, is_locked\n"
    "path = Path(sys.argv[1]); lock = RunLock(path); print(is_locked(path), flush=True); sys.stdin.read()"
)
Hold = Callable[[Path], subprocess.Popen[str]]


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Starts processes that hold a lock until they are killed."""
    started: list[subprocess.Popen[str]] = []

    def start(path: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return create_run_folder(tmp_path, "cat")


@pytest.fixture(autouse=True)
def short_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "_LOOK_AGAIN_SECONDS", 0.5)


def kill(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def write_old(run: RunFolder, seconds: float, **values: Any) -> None:
    """A status that was written some time ago."""
    write_status(run.status, Status(**values))
    content = json.loads(run.status.read_text())
    content["t"] = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
    run.status.write_text(json.dumps(content))


def test_a_status_reads_back_as_it_was_written_with_its_time(run: RunFolder) -> None:
    status = Status(state="running", name="cat", step=5, steps=9, loss=0.25, pid=7, beat=3)
    write_status(run.status, status)
    read = read_status(run.status)
    assert read is not None
    assert datetime.now(UTC) - datetime.fromisoformat(read.t) < timedelta(minutes=1)
    assert {f.name: getattr(read, f.name) for f in fields(Status) if f.name != "t"} == {
        f.name: getattr(status, f.name) for f in fields(Status) if f.name != "t"
    }


def test_the_status_file_has_the_fields_that_others_count_on(run: RunFolder) -> None:
    write_status(run.status, Status())
    expected = (
        "v state reason name phase step steps released epoch loss evaluation best_step learning_rate steps_per_second "
        "eta_seconds device memory_bytes gpu_bytes pid beat t"
    )
    assert list(json.loads(run.status.read_text())) == expected.split()


def test_a_first_status_that_cannot_be_written_says_why(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> tuple[int, str]:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(PermissionError):
        write_status(run.status, Status())


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe{}"])
def test_a_status_that_cannot_be_read_is_none(run: RunFolder, content: bytes) -> None:
    assert read_status(run.status) is None
    run.status.write_bytes(content)
    assert read_status(run.status) is None


def test_a_status_of_a_later_version_is_read_as_far_as_it_is_known(run: RunFolder) -> None:
    run.status.write_text('{"v": 2, "state": "running", "mood": "good"}')
    assert read_status(run.status) == Status(v=2, state="running")


def test_a_lock_is_seen_while_its_process_lives_and_not_after(run: RunFolder, hold: Hold) -> None:
    assert is_locked(run.lock) is False
    process = hold(run.lock)
    assert is_locked(run.lock) is True
    kill(process)
    assert is_locked(run.lock) is False


def test_looking_never_takes_the_lock(run: RunFolder, hold: Hold) -> None:
    run.lock.touch()
    for _ in range(3):
        assert is_locked(run.lock) is False
    process = hold(run.lock)
    for _ in range(3):
        assert is_locked(run.lock) is True
    kill(process)


def test_a_process_that_looks_at_its_own_lock_keeps_it(run: RunFolder, hold: Hold) -> None:
    hold(run.lock)  # looks at it once, from inside
    assert is_locked(run.lock) is True


def test_a_second_worker_cannot_take_the_lock(run: RunFolder, hold: Hold) -> None:
    first = hold(run.lock)
    before = run.lock.read_text()
    with pytest.raises(BlockingIOError):
        RunLock(run.lock)
    assert run.lock.read_text() == before
    assert first.poll() is None


def test_a_killed_workers_lock_can_be_taken_again(run: RunFolder, hold: Hold) -> None:
    kill(hold(run.lock))
    second = hold(run.lock)
    holder = read_holder(run.lock)
    assert holder is not None
    assert holder.pid == second.pid


def test_a_lock_whose_disk_is_full_is_held_all_the_same(
    run: RunFolder, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        RunLock(run.lock)
    assert is_locked(run.lock) is True
    assert read_holder(run.lock) is None


def has_no_locks(number: int) -> Callable[..., None]:
    """``os.lockf`` as it is on a file system without locks."""

    def lockf(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return lockf


NO_LOCKS = pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])


@NO_LOCKS
def test_a_worker_on_a_file_system_without_locks_begins_and_says_who_it_is(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "lockf", has_no_locks(number))
    RunLock(run.lock)
    assert json.loads(run.lock.read_text())["pid"] == os.getpid()


@NO_LOCKS
def test_where_there_are_no_locks_the_process_tells_whether_a_worker_lives(
    run: RunFolder, hold: Hold, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    process = hold(run.lock)
    write_status(run.status, Status(state="running"))
    monkeypatch.setattr(os, "lockf", has_no_locks(number))
    assert (is_locked(run.lock), state_of(run)[0]) == (None, "running")
    kill(process)
    assert (is_locked(run.lock), state_of(run)[0]) == (None, "lost")


def test_a_shorter_note_of_who_holds_the_lock_takes_the_place_of_a_longer_one(run: RunFolder, hold: Hold) -> None:
    run.lock.write_text(json.dumps({"pid": 1, "start_time": 1.0, "boot_id": "x", "host": "elk" * 999}))
    process = hold(run.lock)
    holder = read_holder(run.lock)
    assert holder is not None
    assert holder.pid == process.pid


def test_the_lock_file_says_who_holds_it_in_one_json_object(run: RunFolder, hold: Hold) -> None:
    process = hold(run.lock)
    content = json.loads(run.lock.read_text())
    assert list(content) == ["pid", "start_time", "boot_id", "host"]
    assert (content["pid"], content["host"], content["boot_id"]) == (process.pid, socket.gethostname(), boot_id())
    assert content["start_time"] == pytest.approx(psutil.Process(process.pid).create_time(), abs=1)
    assert run.lock.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"pid": null, "start_time": 1, "boot_id": "", "host": ""}'])
def test_a_lock_file_that_says_nothing_has_no_holder(run: RunFolder, content: str) -> None:
    assert read_holder(run.lock) is None
    run.lock.write_text(content)
    assert read_holder(run.lock) is None


@pytest.mark.parametrize("state", ["starting", "running", "paused"])
def test_a_run_whose_lock_is_held_is_in_the_state_its_worker_says(run: RunFolder, hold: Hold, state: str) -> None:
    hold(run.lock)
    write_status(run.status, Status(state=state))
    assert state_of(run)[0] == state


def test_a_worker_that_has_said_nothing_yet_is_starting(run: RunFolder, hold: Hold) -> None:
    hold(run.lock)
    assert state_of(run) == ("starting", None)


def test_a_living_worker_that_is_silent_for_long_is_not_responding(run: RunFolder, hold: Hold) -> None:
    hold(run.lock)
    write_old(run, 60, state="running")
    assert state_of(run)[0] == "not-responding"
    write_old(run, 5, state="running")
    assert state_of(run)[0] == "running"


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_worker_whose_clock_is_another_or_has_jumped_is_running_while_its_heart_beats(
    run: RunFolder, hold: Hold, hours: float
) -> None:
    hold(run.lock)
    done = threading.Event()

    def beat() -> None:
        for number in itertools.count():
            t = (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="milliseconds")
            write_atomic(run.status, json.dumps({"state": "running", "beat": number, "t": t}), durable=False)
            if done.wait(0.05):
                return

    worker = threading.Thread(target=beat)
    worker.start()
    try:
        while read_status(run.status) is None:
            time.sleep(0.01)
        assert {state_of(run)[0] for _ in range(3)} == {"running"}
    finally:
        done.set()
        worker.join()


def test_a_worker_seen_silent_by_the_viewers_own_clock_is_not_responding_whatever_the_others_say(
    run: RunFolder, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(run.lock)
    write_status(run.status, Status(state="running"))
    assert state_of(run)[0] == "running"
    later = time.monotonic() + 16
    monkeypatch.setattr(heartbeat.time, "monotonic", lambda: later)
    assert state_of(run)[0] == "not-responding"
    assert reason_of(run, *state_of(run)).startswith("no sign of life since 2")


@pytest.mark.parametrize(
    ("holder", "reason"),
    [
        (None, "its worker never began"),
        ({}, "its process is gone: killed, or out of memory"),
        ({"boot_id": "another"}, "the machine was restarted"),
        ({"host": "elk-07"}, "its process on elk-07 is gone"),
    ],
)
def test_a_lost_run_says_why(run: RunFolder, holder: dict[str, str] | None, reason: str) -> None:
    write_status(run.status, Status(state="running", pid=1))
    if holder is not None:
        here = {"pid": 1, "start_time": 1.0, "boot_id": boot_id(), "host": socket.gethostname()}
        run.lock.write_text(json.dumps(here | holder))
    state, status = state_of(run)
    assert (state, reason_of(run, state, status)) == ("lost", reason)


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_run_whose_worker_was_killed_is_lost(run: RunFolder, hold: Hold, state: str) -> None:
    process = hold(run.lock)
    write_status(run.status, Status(state=state, pid=process.pid))
    kill(process)
    assert state_of(run)[0] == "lost"


@pytest.mark.parametrize("state", ["finished", "stopped", "failed"])
def test_a_run_that_ended_stays_ended_however_old_it_is(run: RunFolder, hold: Hold, state: str) -> None:
    kill(hold(run.lock))
    write_old(run, 1e6, state=state)
    found, status = state_of(run)
    assert found == state
    assert status is not None


def test_a_new_run_is_starting_for_a_while_and_then_lost(run: RunFolder) -> None:
    write_status(run.status, Status())
    assert state_of(run)[0] == "starting"
    write_old(run, 60)
    assert state_of(run)[0] == "lost"


def test_a_folder_without_a_status_or_a_lock_is_lost(run: RunFolder) -> None:
    assert state_of(run) == ("lost", None)


@pytest.mark.parametrize("t", ["yesterday", "", 5, None, "2026-11-22T10:00:00"])
def test_a_time_that_cannot_be_compared_counts_as_long_ago(run: RunFolder, hold: Hold, t: object) -> None:
    hold(run.lock)
    run.status.write_text(json.dumps({"state": "running", "t": t}))
    assert state_of(run)[0] == "not-responding"


def test_no_second_worker_is_started_on_a_run_that_has_one(run: RunFolder, hold: Hold) -> None:
    hold(run.lock)
    write_status(run.status, Status(state="running"))
    with pytest.raises(InputError, match="cat is running"):
        launch_worker(run)
    assert not run.worker_log.exists()


def test_a_pause_that_gave_its_memory_back_needs_no_worker(run: RunFolder) -> None:
    write_status(run.status, Status(state="paused", step=7, released=True, pid=1))
    state, status = state_of(run)
    assert (state, has_worker(state, status)) == ("paused", False)
    assert in_words(state, status) == "paused (memory given back)"


def test_a_pause_whose_worker_is_gone_is_lost(run: RunFolder) -> None:
    write_status(run.status, Status(state="paused", step=7, pid=1))
    assert state_of(run)[0] == "lost"


def test_the_living_holder_is_a_process_that_lives_and_no_other(run: RunFolder, hold: Hold) -> None:
    process = hold(run.lock)
    holder = living_holder(run.lock)
    assert holder is not None
    assert holder.pid == process.pid
    kill(process)
    assert living_holder(run.lock) is None
