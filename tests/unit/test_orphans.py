"""Processes of workers that belong to no run any more are found, and no others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinv_tui.runs import orphans
from tinv_tui.runs.folder import RunFolder, create_run_folder
from tinv_tui.runs.orphans import MARK, find_orphans

WORKER = """
import subprocess, sys, time
from pathlib import Path
from tinv_tui.runs.liveness import RunLock
lock = RunLock(Path(sys.argv[1])) if sys.argv[1] else None
child = subprocess.Popen(
    [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"], stdout=subprocess.PIPE
)
child.stdout.readline()  # until then a new program may not have its environment yet
print(child.pid, flush=True)
time.sleep(600)
"""


class Family:
    """A process that looks like a worker, and its child."""

    def __init__(self, run: RunFolder, *, locks: bool) -> None:
        arguments = [sys.executable, "-c", WORKER, str(run.lock) if locks else ""]
        environment = {**os.environ, MARK: str(run.path)}
        self.worker = subprocess.Popen(
            arguments, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.worker.stdout is not None
        self.child = int(self.worker.stdout.readline())

    def end(self) -> None:
        for pid in (self.worker.pid, self.child):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.worker.communicate()


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = create_run_folder(tmp_path, "cat")
    folder.recipe.touch()
    return folder


@pytest.fixture
def families() -> Iterator[list[Family]]:
    started = list[Family]()
    yield started
    for family in started:
        family.end()


def found_of(run: RunFolder) -> dict[int, str]:
    return {orphan.pid: orphan.why for orphan in find_orphans() if orphan.run == str(run.path)}


def test_a_worker_that_holds_its_run_and_its_children_are_none(run: RunFolder, families: list[Family]) -> None:
    families.append(Family(run, locks=True))
    assert found_of(run) == {}


def test_children_of_a_worker_that_was_killed_are(run: RunFolder, families: list[Family]) -> None:
    family = Family(run, locks=True)
    families.append(family)
    family.worker.kill()
    family.worker.wait()
    assert found_of(run) == {family.child: "its worker is gone"}


def test_a_worker_whose_folder_is_gone_is(run: RunFolder, families: list[Family]) -> None:
    family = Family(run, locks=True)
    families.append(family)
    run.lock.unlink()
    run.recipe.unlink()
    assert found_of(run) == dict.fromkeys((family.worker.pid, family.child), "its run folder is gone")


def test_a_worker_without_its_lock_is_once_it_had_time_to_take_it(
    run: RunFolder, families: list[Family], monkeypatch: pytest.MonkeyPatch
) -> None:
    family = Family(run, locks=False)
    families.append(family)
    assert found_of(run) == {}
    monkeypatch.setattr(orphans, "_YOUNG_SECONDS", 0)
    assert found_of(run) == {family.worker.pid: "it does not hold its run"}
