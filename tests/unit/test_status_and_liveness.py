"""The present of a run, and whether its worker lives; locks are held by real processes."""

from __future__ import annotations

import errno
import itertools
import json
import socket
import tempfile
import threading
import time
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.locks import Hold, hold, kill, run
from tinv_tui.atomic import write_atomic
from tinv_tui.errors import InputError
from tinv_tui.runs import heartbeat
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.launch import launch_worker
from tinv_tui.runs.liveness import (
    boot_id,
    has_worker,
    in_words,
    reason_of,
    state_of,
)
from tinv_tui.runs.status import Status, read_status, write_status

__all__ = ["hold", "run"]


@pytest.fixture(autouse=True)
def short_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "_LOOK_AGAIN_SECONDS", 0.5)


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
