"""What a worker tells: whoever was answered finds the answer true, however slow the disk is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinv_tui.runs.events import read_all
from tinv_tui.runs.folder import RunFolder, create_run_folder
from tinv_tui.runs.inbox import Command
from tinv_tui.runs.status import Status, read_status
from tinv_tui.worker import reporter as reporting
from tinv_tui.worker.reporter import Reporter


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create_run_folder(tmp_path / "runs", "zork")


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A disk that syncs only when the event is set; it is when the test ends."""
    synced = threading.Event()
    monkeypatch.setattr(Reporter, "flush", lambda _: synced.wait(60))
    yield synced
    synced.set()


def test_what_was_done_is_in_the_status_before_it_is_answered(folder: RunFolder, slow_disk: threading.Event) -> None:
    reporter = Reporter(folder, Status(state="running", steps=100))
    try:
        reporter.update(state="paused")
        reporter.answer(Command("1", "pause", {}), True, "paused at step 7")
        status = read_status(folder.status)
        assert status is not None
        assert status.state == "paused"
        ack = read_all(folder.events)[-1]
        assert {key: ack[key] for key in ("kind", "id", "command", "ok", "message")} == {
            "kind": "ack", "id": "1", "command": "pause", "ok": True, "message": "paused at step 7",
        }  # fmt: skip
    finally:
        slow_disk.set()
        reporter.close("stopped", "as told")


def test_no_older_status_takes_the_place_of_a_newer(
    folder: RunFolder, slow_disk: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status thread is about to write what the run was when a command changes it."""
    begun, beats = threading.Event(), list[int]()
    write = reporting.write_status

    def slow(path: Path, status: Status) -> None:
        if threading.current_thread().name == "status" and not begun.is_set():
            begun.set()
            time.sleep(0.5)
        write(path, status)
        beats.append(status.beat)

    monkeypatch.setattr(reporting, "write_status", slow)
    slow_disk.set()
    reporter = Reporter(folder, Status(state="running", steps=100))
    assert begun.wait(60)
    reporter.update(state="paused")
    reporter.answer(Command("1", "pause", {}), True, "paused at step 7")
    reporter.close("stopped", "as told")
    assert len(beats) >= 3
    assert beats == sorted(beats)
