"""Runs in real worker processes, driven through the async interface and nothing else."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.worker.helpers import reach, recipe, resumed_here, train_here, trained
from tinv_tui import paths
from tinv_tui.embeddings.files import read_embedding
from tinv_tui.errors import InputError
from tinv_tui.runs.events import Event, read_all
from tinv_tui.runs.folder import RunFolder, all_runs
from tinv_tui.runs.inbox import post_command
from tinv_tui.runs.launch import launch_worker, make_run
from tinv_tui.runs.liveness import read_holder, state_of
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.run import Run
from tinv_tui.runs.status import Status


async def until(run: Run, step: int) -> None:
    """Wait until the run has reached a step."""
    async for event in run.events():
        if event["kind"] == "step" and event["step"] >= step:
            return
    raise AssertionError(f"the run ended before step {step}: {read_all(run.folder.events)[-1]}")


async def until_status(run: Run, is_so: Callable[[Status], bool]) -> Status:
    """Wait for what the worker says of itself every second or two."""
    for _ in range(1200):
        status = run.state()[1]
        if status is not None and is_so(status):
            return status
        await asyncio.sleep(0.05)
    raise AssertionError(f"{run.state()}")


def kinds(events: list[Event]) -> list[str]:
    return list(dict.fromkeys(e["kind"] for e in events))


def rows_of(run: Run) -> list[dict[str, str]]:
    with run.folder.losses.open(newline="") as file:
        return list(csv.DictReader(file))


async def finish(run: Run) -> Event:
    ended = await run.wait()
    assert ended is not None, run.folder.worker_log.read_text()
    return ended


async def test_a_run_tells_its_whole_story_and_leaves_every_file() -> None:
    run = await Run.start(recipe(saving__embedding_every=10, saving__image_every=10))
    ended = await finish(run)
    assert ended["state"] == "finished"
    assert run.state()[0] == "finished"
    events = read_all(run.folder.events)
    assert {"started", "phase", "step", "evaluation", "saved", "preview", "ended"} <= set(kinds(events))
    assert events[-1]["kind"] == "ended"
    assert all(len(e["norms"]) == 1 and e["norms"][0] > 0 for e in events if e["kind"] == "evaluation")
    assert all(e["gradient_norm"] > 0 for e in events if e["kind"] == "step")
    assert run.folder.path.stat().st_mode & 0o777 == 0o700
    names = {p.name for p in run.folder.path.iterdir()}
    assert {"recipe.toml", "events.jsonl", "status.json", "inbox", "lock", "worker.log", "checkpoint"} <= names
    for kind, folder in (
        ("safetensors", run.folder.copies),
        ("png", run.folder.images),
        ("png", run.folder.image_embeddings),
    ):
        assert sorted(p.name for p in folder.iterdir()) == [f"zork-10.{kind}", f"zork-20.{kind}"]
    result = read_embedding(paths.embeddings_folder() / "zork.safetensors")
    assert (result.step, result.count) == (20, 1)
    assert [int(row["step"]) for row in rows_of(run)] == list(range(1, 21))
    holder = json.loads(run.folder.lock.read_text())
    assert set(holder) == {"pid", "start_time", "boot_id", "host"}


def test_a_copy_holds_exactly_as_many_steps_as_its_name_says() -> None:
    run = trained(recipe(saving__embedding_every=5, training__steps=5))
    copy = read_embedding(run.folder.copies / "zork-5.safetensors")
    result = read_embedding(paths.embeddings_folder() / "zork.safetensors")
    assert copy.step == 5
    assert (copy.vectors["emb_params"] == result.vectors["emb_params"]).all()


async def test_commands_are_obeyed_and_acknowledged() -> None:
    run = await Run.start(recipe(training__steps=100_000))
    await until(run, 3)
    assert (await run.command("pause"))["ok"]
    paused = await until_status(run, lambda status: status.state == "paused")
    assert run.state()[0] == "paused"
    paused_at = paused.step
    preview = await run.command("preview", prompt="a photo of a zork on a white background")
    assert preview["ok"]
    assert (await run.command("save"))["ok"]
    beat = (await until_status(run, lambda status: True)).beat
    later = await until_status(run, lambda status: status.beat > beat)
    assert later.step == paused_at
    assert (await run.command("unpause"))["ok"]
    await until(run, paused_at + 3)
    stop = await run.command("stop")
    assert stop["ok"]
    ended = await finish(run)
    assert ended["state"] == "stopped"
    assert ended["embedding"]
    told = [e["prompt"] for e in read_all(run.folder.events) if e["kind"] == "preview"]
    assert told == ["a photo of a zork on a white background"]
    assert (run.folder.copies / f"zork-{paused_at}.safetensors").exists()
    with pytest.raises(InputError, match="stopped"):
        await run.command("save")


async def test_stopping_without_saving_leaves_no_result() -> None:
    folder = make_run(plan_run(recipe(training__steps=100_000), Path.cwd()))
    life = asyncio.create_task(asyncio.to_thread(train_here, folder))
    await reach(folder, 2)
    post_command(folder.inbox, "stop", {"save": False})
    assert await life == 0
    ended = read_all(folder.events)[-1]
    assert (ended["state"], ended["embedding"]) == ("stopped", None)
    assert not (paths.embeddings_folder() / "zork.safetensors").exists()


async def test_pausing_previewing_and_saving_change_no_byte() -> None:
    plain = trained(recipe(training__steps=40))
    disturbed = make_run(plan_run(recipe(training__steps=40, embedding__name="zork2"), Path.cwd()))
    life = asyncio.create_task(asyncio.to_thread(train_here, disturbed))
    await reach(disturbed, 5)
    commands = ["pause", "preview", "unpause", "save"]
    for command in commands:
        post_command(disturbed.inbox, command)
    assert await life == 0
    assert [e["command"] for e in read_all(disturbed.events) if e["kind"] == "ack" and e["ok"]] == commands
    library = paths.embeddings_folder()
    first, second = (read_embedding(library / f"{n}.safetensors").vectors["emb_params"] for n in ("zork", "zork2"))
    assert first.tobytes() == second.tobytes()
    assert rows_of(plain) == rows_of(Run(disturbed))


async def test_a_stopped_run_can_be_resumed_and_a_finished_one_extended() -> None:
    run = trained(recipe(training__steps=10))
    with pytest.raises(InputError, match="nothing is left"):
        await run.resume()
    life = asyncio.create_task(resumed_here(run, steps=100_000))
    await reach(run.folder, 15)
    post_command(run.folder.inbox, "stop")
    assert await life == 0
    assert run.state()[0] == "stopped"
    step = read_all(run.folder.events)[-1]["step"] + 5
    await run.resume(steps=step)
    assert (await finish(run))["step"] == step
    assert [int(row["step"]) for row in rows_of(run)] == list(range(1, step + 1))


async def test_term_stops_and_saves_and_hup_is_not_heard() -> None:
    run = await Run.start(recipe(training__steps=100_000))
    await until(run, 2)
    assert run.process is not None
    os.kill(run.process.pid, signal.SIGHUP)
    _, before = run.state()
    assert before is not None
    await until(run, before.step + 3)
    os.kill(run.process.pid, signal.SIGUSR1)
    async for event in run.events():
        if event["kind"] == "saved" and event["step"] > 0:
            break
    os.kill(run.process.pid, signal.SIGTERM)
    ended = await finish(run)
    assert ended["state"] == "stopped"
    assert run.process.wait() == 0


async def test_one_told_to_stop_before_it_can_hear_says_so_once_it_can() -> None:
    folder = make_run(plan_run(recipe(training__steps=1_000_000), Path.cwd()))
    process = launch_worker(folder)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 60) == 0
    assert (state_of(folder)[0], read_all(folder.events)[-1]["step"]) == ("stopped", 0)


async def test_bad_input_leaves_nothing_behind() -> None:
    with pytest.raises(InputError, match=r"dataset\.path"):
        await Run.start(recipe(dataset__path="/nowhere/at/all"))
    assert all_runs() == []
    assert not paths.home().exists()


def test_two_runs_of_one_name_get_two_folders_and_two_results() -> None:
    first = trained(recipe(training__steps=2))
    second = trained(recipe(training__steps=2))
    assert (first.folder.name, second.folder.name) == ("zork", "zork-2")
    assert sorted(p.name for p in paths.embeddings_folder().iterdir()) == ["zork-2.safetensors", "zork.safetensors"]


@pytest.mark.long
async def test_being_told_to_end_twice_still_saves() -> None:
    run = await Run.start(recipe(training__steps=100_000))
    await until(run, 2)
    assert run.process is not None
    os.kill(run.process.pid, signal.SIGTERM)
    os.kill(run.process.pid, signal.SIGTERM)
    ended = await finish(run)
    assert ended["state"] == "stopped"
    assert Path(ended["embedding"]).is_file()


@pytest.mark.long
async def test_a_death_in_the_last_preview_does_not_cost_the_result() -> None:
    run = await Run.start(recipe(training__steps=10, saving__image_every=10, preview__steps=1000))
    async for event in run.events():
        if event["kind"] == "phase" and event["name"] == "previewing":
            break
    assert run.process is not None
    run.process.kill()
    run.process.wait()
    assert not (paths.embeddings_folder() / "zork.safetensors").exists()
    await run.resume()
    assert (await finish(run))["state"] == "finished"
    assert read_embedding(paths.embeddings_folder() / "zork.safetensors").step == 10


@pytest.mark.long
async def test_runs_started_at_the_same_moment_get_names_of_their_own() -> None:
    runs = await asyncio.gather(*(Run.start(recipe(training__steps=2)) for _ in range(3)))
    results = [(await finish(run))["embedding"] for run in runs]
    assert len(set(results)) == 3


class TestARunThatGoesOn:
    """A worker pays seconds of imports: one for all tests that leave it going on."""

    @pytest.fixture(scope="class")
    def worker(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunFolder, subprocess.Popen[bytes]]]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TINV_HOME", str(tmp_path_factory.mktemp("home")))
            folder = make_run(plan_run(recipe(training__steps=1_000_000), Path.cwd()))
            process = launch_worker(folder)
        yield folder, process
        process.kill()
        process.wait()

    @pytest.fixture
    def run(self, worker: tuple[RunFolder, subprocess.Popen[bytes]]) -> Run:
        return Run(worker[0])

    async def test_its_worker_is_alone_in_its_session_with_nothing_of_the_terminal(
        self, run: Run, worker: tuple[RunFolder, subprocess.Popen[bytes]]
    ) -> None:
        await until(run, 1)
        pid = worker[1].pid
        holder = read_holder(run.folder.lock)
        assert holder is not None
        assert holder.pid == pid
        assert os.getsid(pid) == pid
        assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
        assert os.readlink(f"/proc/{pid}/fd/1") == str(run.folder.worker_log)

    async def test_cancelling_a_viewer_never_stops_it(self, run: Run) -> None:
        watcher = asyncio.create_task(until(run, 10**9))
        await until(run, 2)
        watcher.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watcher
        _, status = run.state()
        assert status is not None
        await until(Run(run.folder), status.step + 3)  # a second viewer

    async def test_a_second_worker_is_refused(self, run: Run) -> None:
        with pytest.raises(InputError, match="is running|is starting"):
            await run.resume()

    async def test_previews_of_one_step_do_not_replace_each_other(self, run: Run) -> None:
        await until(run, 2)
        await run.command("pause")
        await run.command("preview", prompt="a photo of a zork")
        await run.command("preview", prompt="a zork on a white background")
        told = [e["path"] for e in read_all(run.folder.events) if e["kind"] == "preview"]
        assert len(set(told)) == 2
        assert all(Path(path).is_file() for path in told)
        await run.command("unpause")

    async def test_a_preview_that_fails_is_a_warning_and_a_refused_command(self, run: Run) -> None:
        await until(run, 2)
        shutil.rmtree(run.folder.images)
        run.folder.images.write_text("in the way")
        ack = await run.command("preview")
        assert not ack["ok"]
        assert "failed" in ack["message"]
        events = read_all(run.folder.events)
        assert any(e["kind"] == "warning" and e["code"] == "preview-failed" for e in events)
        await until(run, max(e["step"] for e in events if e["kind"] == "step") + 3)
