"""A pause that gives the memory back, and ends that are asked for before training begins or by force."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.faults import FaultRecord
from tests.worker.helpers import reach, recipe, told, train_here
from tests.worker.test_cli import tinv
from tests.worker.test_lifecycle import rows_of, until
from tinv_tui import paths
from tinv_tui.runs.events import Event, EventReader, read_all
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.inbox import post_command
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.liveness import has_worker, living_holder, state_of
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.run import Run
from tinv_tui.runs.status import Status
from tinv_tui.worker.reporter import Reporter
from tinv_tui.worker.session import run_session
from tinv_tui.worker.signals import Signals


def last(folder: RunFolder) -> Event:
    return read_all(folder.events)[-1]


async def test_a_run_that_gives_its_memory_back_and_goes_on_comes_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = recipe(training__batch_size=1, training__steps=30, training__evaluation_samples=0)
    monkeypatch.setenv("TINV_HOME", str(tmp_path / "undisturbed"))
    undisturbed = make_run(plan_run(wanted, Path.cwd()))
    assert await asyncio.to_thread(train_here, undisturbed) == 0
    result = (paths.embeddings_folder() / "zork.safetensors").read_bytes()

    monkeypatch.setenv("TINV_HOME", str(tmp_path / "released"))
    folder = make_run(plan_run(wanted, Path.cwd()))
    post_command(folder.inbox, "pause", {"release": True})
    assert train_here(folder) == 0
    assert (last(folder)["state"], last(folder)["step"]) == ("paused", 0)

    life = asyncio.create_task(asyncio.to_thread(train_here, folder))
    await reach(folder, 4)
    post_command(folder.inbox, "pause")
    post_command(folder.inbox, "pause", {"release": True})
    assert await life == 0
    ended = last(folder)
    assert ended["state"] == "paused"
    assert 4 <= ended["step"] < 30
    assert f"tinv-tui unpause {folder.handle}" in ended["reason"]
    assert not list(paths.embeddings_folder().glob("*"))
    state, status = state_of(folder)
    assert state == "paused"
    assert not has_worker(state, status)

    assert train_here(folder) == 0
    assert (last(folder)["state"], last(folder)["step"]) == ("finished", 30)
    assert (paths.embeddings_folder() / "zork.safetensors").read_bytes() == result
    assert rows_of(Run(folder)) == rows_of(Run(undisturbed))


def test_a_stop_that_comes_while_pictures_are_encoded_is_obeyed_there(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_run(plan_run(recipe(), Path.cwd()))
    told = Reporter.tell

    def tell(self: Reporter, kind: str, **fields: object) -> None:
        told(self, kind, **fields)
        if kind == "phase" and fields["name"] == "encoding" and fields["done"] >= 1:
            post_command(folder.inbox, "save")
            post_command(folder.inbox, "stop")

    monkeypatch.setattr(Reporter, "tell", tell)
    monkeypatch.setattr("tinv_tui.worker.early._INBOX_SECONDS", 0)
    assert train_here(folder) == 0
    events = read_all(folder.events)
    assert (events[-1]["state"], events[-1]["step"]) == ("stopped", 0)
    assert [(e["command"], e["ok"]) for e in events if e["kind"] == "ack"] == [("stop", True)]
    assert not (folder.checkpoint / "latents.safetensors").exists()


async def test_signals_are_heard_while_the_model_loads_and_while_the_run_is_paused() -> None:
    folder = make_run(plan_run(recipe(training__evaluation_samples=0), Path.cwd()))
    signals = Signals()
    signals.save.set()
    post_command(folder.inbox, "pause")
    reporter = Reporter(folder, Status(name=folder.name, phase="loading", pid=os.getpid()))
    life = asyncio.create_task(asyncio.to_thread(run_session, folder, signals, reporter))
    copies = EventReader(folder.events)
    await told(copies, "ack")
    assert [path.name for path in folder.copies.iterdir()] == ["zork-1.safetensors"]
    (folder.copies / "zork-1.safetensors").unlink()
    signals.save.set()
    await told(copies, "saved")
    assert (folder.copies / "zork-1.safetensors").is_file()
    signals.stop.set()
    assert await life == 0
    ended = last(folder)
    assert (ended["state"], ended["step"]) == ("stopped", 1)
    assert Path(ended["embedding"]).is_file()


def invoke(*arguments: str) -> str:
    done = tinv(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.faults
async def test_a_worker_that_hears_nothing_is_killed_with_its_whole_group(fault: FaultRecord) -> None:
    run = await Run.start(recipe(training__steps=100_000))
    await until(run, 3)
    holder = living_holder(run.folder.lock)
    assert holder is not None
    os.kill(holder.pid, signal.SIGSTOP)
    said = await asyncio.to_thread(invoke, "stop", "zork", "--force", "--yes", "--patience", "1")
    assert "killed; go on from the last checkpoint: tinv-tui resume zork" in said
    assert run.process is not None
    assert run.process.wait() == -signal.SIGKILL
    assert run.state()[0] == "lost"
    fault("a worker that hears nothing, not even TERM: stop --force")


@pytest.mark.faults
async def test_by_hand_a_run_is_paused_released_changed_and_let_go_on() -> None:
    run = await Run.start(recipe(training__steps=100_000))
    await until(run, 3)
    assert "gives the memory back" in await asyncio.to_thread(invoke, "pause", "zork", "--release")
    assert run.process is not None
    assert run.process.wait() == 0
    assert "paused, released" in await asyncio.to_thread(invoke, "runs")
    refused = await asyncio.to_thread(tinv, "set", "zork", "training.steps=5000")
    assert refused.returncode == 2
    assert "tinv-tui resume zork --set training.steps=5000" in refused.stderr
    paused_at = run.state()[1]
    assert "in a new worker" in await asyncio.to_thread(invoke, "unpause", "zork")
    assert paused_at is not None
    await until(run, paused_at.step + 2)
    assert "stopping" in await asyncio.to_thread(invoke, "stop", "zork", "--force", "--yes", "--patience", "60")
    assert (await run.wait() or {})["state"] == "stopped"
