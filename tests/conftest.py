"""Every test has a TINV_HOME of its own, and no worker it started may live on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tinv_tui.runs.folder import all_runs
from tinv_tui.runs.liveness import is_locked, read_holder


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINV_HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True)
def _no_worker_outlives_its_test(_own_home: None) -> Iterator[None]:
    yield
    for run in all_runs():
        holder = read_holder(run.lock)
        if is_locked(run.lock) and holder is not None and holder.pid != os.getpid():
            os.kill(holder.pid, signal.SIGKILL)


@pytest.fixture(scope="session", autouse=True)
def _no_worker_outlives_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.getbasetemp()
    yield
    _, alive = psutil.wait_procs([p for p in psutil.process_iter() if _is_worker_below(folder, p)], timeout=2)
    for process in alive:
        process.kill()
    assert not alive, f"workers outlived the tests: {alive}"


def _is_worker_below(folder: Path, process: psutil.Process) -> bool:
    try:
        return "tinv_tui.worker" in process.cmdline() and Path(process.environ()["TINV_HOME"]).is_relative_to(folder)
    except (psutil.Error, KeyError):
        return False
