"""A run's lock: who holds it is seen, never disturbed, and told where a file system has no locks."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Callable

import psutil
import pytest

from tests.locks import Hold, hold, kill, run
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.liveness import (
    RunLock,
    boot_id,
    is_locked,
    living_holder,
    read_holder,
    state_of,
)
from tinv_tui.runs.status import Status, write_status

__all__ = ["hold", "run"]


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


def test_the_living_holder_is_a_process_that_lives_and_no_other(run: RunFolder, hold: Hold) -> None:
    process = hold(run.lock)
    holder = living_holder(run.lock)
    assert holder is not None
    assert holder.pid == process.pid
    kill(process)
    assert living_holder(run.lock) is None
