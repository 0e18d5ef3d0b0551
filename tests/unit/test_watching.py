"""What those who watch a run are told: its events as lines, and where it has gone."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from tinv_tui.app.watcher import RunNow, RunWatcher
from tinv_tui.cli.watching import in_words, runs, tail
from tinv_tui.recipe import make_recipe
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.folder import RunFolder, create_run_folder
from tinv_tui.runs.history import RunHistory, RunView
from tinv_tui.runs.liveness import RunState
from tinv_tui.runs.run import Run
from tinv_tui.runs.status import Status, write_status

TOLD = {"v": 1, "t": "2026-11-22T10:00:00.000+00:00"}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = create_run_folder(tmp_path / "my runs", "cat")
    folder.recipe.touch()
    write_status(folder.status, Status(name="cat"))  # a worker is about to take it up
    folder.events.write_text(json.dumps({**TOLD, "kind": "phase", "name": "loading", "done": 0, "total": 1}) + "\n")
    return folder


@pytest.mark.parametrize(
    "event",
    [
        {**TOLD, "kind": "dreamt", "of": "sheep"},
        {**TOLD, "kind": "step", "loss": "low"},
        {"kind": "warning"},
        {**TOLD, "kind": ["step"]},
        {**TOLD, "kind": "phase", "name": 7, "done": None, "total": "all"},
        {**TOLD, "kind": "ended"},
    ],
)
def test_an_event_of_a_later_version_is_told_as_it_is_and_counts_for_nothing(event: dict[str, object]) -> None:
    assert in_words(event)
    history = RunHistory()
    history.add_events([event])
    assert history.view() == RunHistory().view()


def test_a_viewer_has_the_recipe_as_it_is_now_also_after_it_could_not_be_read_once(run: RunFolder) -> None:
    def write(name: str, seconds: int) -> None:
        run.recipe.write_text(to_toml(make_recipe({"embedding": {"name": name}})))
        os.utime(run.recipe, (seconds, seconds))

    def name_now() -> str | None:
        recipe = watcher.look().recipe
        return recipe.embedding.name if recipe is not None else None

    watcher = RunWatcher(Run(run))
    write("cat", 1)
    assert name_now() == "cat"
    write("dog", 2)  # as a change of the live run does
    assert name_now() == "dog"
    aside = run.recipe.rename(run.path / "aside")
    assert name_now() is None
    aside.rename(run.recipe)
    assert name_now() == "dog"


def test_the_time_of_an_event_is_that_of_this_machines_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    event = {"v": 1, "t": "2026-11-22T23:15:00.000+00:00", "kind": "note", "message": "x"}
    try:
        for zone, told in (("Asia/Tokyo", "08:15:00  x"), ("UTC", "23:15:00  x")):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert in_words(event) == told
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_note_is_told_as_it_stands() -> None:
    note = {**TOLD, "kind": "note", "message": "computing in fp32, 1 thread"}
    assert in_words(note).endswith("  computing in fp32, 1 thread")
    history = RunHistory()
    history.add_events([note])
    assert [line.text for line in history.view().log] == ["computing in fp32, 1 thread"]


def test_who_follows_a_run_is_told_in_one_line_when_its_folder_is_deleted(run: RunFolder) -> None:
    deleting = threading.Timer(0.5, shutil.rmtree, [run.path])
    deleting.start()
    result = CliRunner().invoke(tail, [str(run.path)])
    deleting.join()
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0].endswith(f"{run.path} is gone: deleted or moved away while it was watched")
    assert "Traceback" not in result.output


def test_who_follows_a_run_that_nobody_trains_is_told_why_and_how_to_go_on(run: RunFolder) -> None:
    write_status(run.status, Status(state="running", name="cat", pid=1))
    result = CliRunner().invoke(tail, [str(run.path)])
    assert result.exit_code == 0
    assert result.stderr == f"cat is lost: its worker never began. Go on: tinv-tui resume {run.handle}\n"


async def test_a_command_to_a_run_that_has_gone_says_so(run: RunFolder) -> None:
    deleting = threading.Timer(0.3, shutil.rmtree, [run.path])
    deleting.start()
    with pytest.raises(Exception, match="is gone: deleted or moved away"):
        await Run(run).command("stop")
    deleting.join()


def test_a_folder_is_gone_only_when_it_is_not_there(run: RunFolder) -> None:
    assert not run.is_gone
    shutil.rmtree(run.path.parent)
    assert run.is_gone
    assert json.loads(CliRunner().invoke(runs, ["--json"]).stdout)["runs"] == []


@pytest.mark.parametrize(
    ("state", "status", "said"),
    [
        ("running", Status(state="running"), "cat keeps running; come back with: tinv-tui attach"),
        ("paused", Status(state="paused"), "cat stays paused; come back with: tinv-tui attach"),
        ("paused", Status(state="paused", released=True), "its memory given back; go on with: tinv-tui unpause"),
    ],
)
def test_who_leaves_the_app_is_told_how_to_come_back_in_words_a_shell_takes(
    run: RunFolder, state: RunState, status: Status, said: str
) -> None:
    told = RunNow(run, state, status, RunView()).how_to_come_back
    assert said in told
    assert told.endswith(f" '{run.path}'")
