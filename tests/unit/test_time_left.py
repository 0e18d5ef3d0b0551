"""The time left of a run: of its steps, or of its minutes where those end first."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tinv_tui.app.watcher import RunNow
from tinv_tui.runs.folder import RunFolder, create_run_folder
from tinv_tui.runs.history import RunView
from tinv_tui.runs.status import Status, read_status
from tinv_tui.worker.reporter import Reporter


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create_run_folder(tmp_path / "runs", "zork")


@pytest.mark.parametrize(("seconds_left", "eta"), [(None, 500.0), (3.0, 3.0), (900.0, 500.0)])
def test_the_status_tells_what_ends_first(folder: RunFolder, seconds_left: float | None, eta: float) -> None:
    reporter = Reporter(folder, Status(state="starting", steps=1000))
    try:
        reporter.seconds_left = seconds_left
        for _ in range(5):
            reporter.took(0.5)
        reporter.update(state="running", phase="training")
        deadline, told = time.monotonic() + 60, None
        while told is None and time.monotonic() < deadline:
            status = read_status(folder.status)
            told = status.eta_seconds if status is not None else None
            time.sleep(0.01)
        assert told == eta
    finally:
        reporter.close("stopped", "as told")


@pytest.mark.parametrize(("told", "eta"), [(None, 50.0), (3.0, 3.0), (70.0, 50.0)])
def test_the_app_tells_what_ends_first(folder: RunFolder, told: float | None, eta: float) -> None:
    view = RunView(step=50, steps=100, steps_per_second=1.0)
    assert RunNow(folder, "running", Status(eta_seconds=told), view).eta_seconds == eta
