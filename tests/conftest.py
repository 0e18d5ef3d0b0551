"""Every test has a TINV_HOME of its own, and no worker it started may live on."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults import FaultRecord, table, tried_in, write_table
from tinv_tui.runs.folder import all_runs
from tinv_tui.runs.liveness import is_locked, read_holder

ALL_FAULTS = "--all-faults"
LONG = "--long"
NEW_SCREENS = "--new-screens"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(ALL_FAULTS, action="store_true", help="run the whole fault suite, which takes long")
    parser.addoption(LONG, action="store_true", help="run the tests marked long too")
    parser.addoption(NEW_SCREENS, action="store_true", help="keep the screens as they look now")


def pytest_configure() -> None:
    """Collecting garbage took a quarter of the time of the app's tests: torch is among what is looked through each time."""
    gc.set_threshold(50_000, 50, 50)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the tests marked ``faults`` only those marked ``faults(ci=True)`` run, and none of ``long``, unless asked for."""
    is_left_out = {item: _is_by_hand(item, config) for item in items}
    config.hook.pytest_deselected(items=[item for item in items if is_left_out[item]])
    items[:] = [item for item in items if not is_left_out[item]]


def _is_by_hand(item: pytest.Item, config: pytest.Config) -> bool:
    if item.get_closest_marker("long") is not None and not config.getoption(LONG):
        return True
    mark = item.get_closest_marker("faults")
    return mark is not None and not mark.kwargs.get("ci", False) and not config.getoption(ALL_FAULTS)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tried = tried_in(terminalreporter.getreports("passed"))
    if tried:
        lines = table(tried)
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.write_line(line)
        write_table(lines)


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> FaultRecord:
    """Says what a test of the fault suite tried, for the table at the end of the session."""
    return FaultRecord(request.node)


@pytest.fixture(scope="session", autouse=True)
def _own_device_locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Runs of other tests, and of whoever uses this machine, are no neighbours of ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINV_LOCKS", str(tmp_path_factory.mktemp("locks")))
        yield


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


@pytest.fixture(autouse=True)
def _no_reporter_outlives_its_test() -> Iterator[None]:
    """Its thread would go on writing a status, beside what later tests look at."""
    yield
    left = [thread for thread in threading.enumerate() if thread.name == "status"]
    assert not left, "a Reporter was not closed"


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
