"""Runs beside each other on one device, and runs that wait until it has room for them."""

from __future__ import annotations

import json
import os
import resource
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.faults import FaultRecord
from tests.worker.helpers import recipe
from tests.worker.test_lifecycle import finish, until
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.events import Event, read_all
from tinv_tui.runs.folder import RunFolder, all_runs
from tinv_tui.runs.liveness import read_holder
from tinv_tui.runs.run import Run
from tinv_tui.runs.sharing import sharers_of


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINV_LOCKS", str(tmp_path / "locks"))
    return tmp_path / "locks"


def warnings(run: Run, code: str) -> list[str]:
    return [e["message"] for e in read_all(run.folder.events) if e["kind"] == "warning" and e["code"] == code]


FREE_GIB, WANTED_GIB = 2.0, 3.0
"""What a waiting process may take of the host's memory is set with ``ulimit -v``, and changed from outside."""


def start_short_of_memory(folder: Path, **changes: Any) -> Run:
    """A run that waits for more than it may take."""
    file = folder / "recipe.toml"
    file.write_text(to_toml(recipe(training__steps=5, **changes)))
    train = [sys.executable, "-m", "tinv_tui", "train", str(file), "--wait-free", str(WANTED_GIB), "--detach", "--json"]
    limit = f"ulimit -S -v {int(FREE_GIB * 2**20)}; exec {shlex.join(train)}"
    done = subprocess.run(["bash", "-c", limit], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return Run(RunFolder(Path(json.loads(done.stdout)["run"])))


def let_it_take_what_there_is(run: Run) -> None:
    unlimited = resource.RLIM_INFINITY, resource.RLIM_INFINITY
    resource.prlimit(pid_of(run), resource.RLIMIT_AS, unlimited)


def pid_of(run: Run) -> int:
    holder = read_holder(run.folder.lock)
    assert holder is not None
    return holder.pid


async def until_it_waits(run: Run) -> Event:
    async for event in run.events():
        if event["kind"] == "phase" and event["name"] == "waiting":
            return event
    raise AssertionError(f"it did not wait: {read_all(run.folder.events)}")


@pytest.mark.faults
async def test_a_second_run_waits_for_room_then_is_warned_of_the_first_and_both_end_well(
    tmp_path: Path, locks: Path, fault: FaultRecord
) -> None:
    first = await Run.start(recipe(training__steps=10**6, training__evaluation_samples=0))
    await until(first, 5)
    await first.command("pause")
    assert [sharer.run for sharer in sharers_of("cpu")] == [str(first.folder.path)]

    second = start_short_of_memory(tmp_path, embedding__name="blorp")
    waiting = await until_it_waits(second)
    assert waiting["message"].startswith(f"waiting for {WANTED_GIB} GiB on this machine, ")
    assert first.process is not None
    assert f"there: zork (pid {first.process.pid}, " in waiting["message"]
    assert waiting["done"] < waiting["total"] == WANTED_GIB * 1024
    state, status = second.state()
    assert status is not None
    assert (state, status.name, status.steps) == ("starting", "blorp", 5)
    assert "libtorch" not in Path(f"/proc/{pid_of(second)}/maps").read_text()
    assert len(sharers_of("cpu")) == 1  # what waits is in nobody's way
    refused = await second.command("save")
    assert refused["ok"] is False

    let_it_take_what_there_is(second)
    assert (await finish(second))["state"] == "finished"
    phases = [event["name"] for event in read_all(second.folder.events) if event["kind"] == "phase"]
    assert phases.index("waiting") < phases.index("loading")
    (said,) = warnings(second, "device-shared")
    assert f"zork (pid {first.process.pid}, " in said
    assert "GiB free" in said
    assert warnings(first, "device-shared") == []

    await first.command("stop")
    assert (await finish(first))["state"] == "stopped"
    assert first.process.wait(60) == 0
    assert list(locks.iterdir()) == []
    fault("two runs on one device", note="the second waits for room, is warned, and both end well")


@pytest.mark.faults(ci=True)
@pytest.mark.parametrize("how", ["command", "TERM"])
async def test_stop_ends_a_run_that_waits(how: str, tmp_path: Path, fault: FaultRecord) -> None:
    run = start_short_of_memory(tmp_path)
    await until_it_waits(run)
    if how == "command":
        assert (await run.command("stop"))["ok"]
    else:
        os.kill(pid_of(run), signal.SIGTERM)
    ended = await finish(run)
    assert (ended["state"], ended["step"]) == ("stopped", 0)
    assert ended["reason"] == "told to stop while it waited for memory"
    assert run.state()[0] == "stopped"
    fault("stopped while it waits for memory (command, TERM)", steps_lost=0)


@pytest.mark.faults
async def test_unpause_starts_a_run_that_waits_at_once_and_resume_waits_too(tmp_path: Path) -> None:
    run = start_short_of_memory(tmp_path)
    await until_it_waits(run)
    let_it_take_what_there_is(run)  # torch alone needs more
    await finish(run)
    total = psutil.virtual_memory().total
    await run.resume(steps=8, wait_free_bytes=total)  # so much is never free
    await until_it_waits(run)
    assert (await run.command("unpause"))["ok"]
    ended = await finish(run)
    assert (ended["state"], ended["step"]) == ("finished", 8)


def test_more_than_there_is_cannot_be_waited_for(tmp_path: Path) -> None:
    train = [sys.executable, "-m", "tinv_tui", "demo", "--wait-free", "1000000", "--headless", "--json"]
    done = subprocess.run(train, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "wait-too-much"
    assert all_runs() == []
