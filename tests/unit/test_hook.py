"""The user's own command at the end of a run: what it is told, and what becomes of one that fails."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tinv_tui.runs.events import EventReader, EventWriter, read_all
from tinv_tui.runs.folder import RunFolder, create_run_folder
from tinv_tui.runs.orphans import MARK
from tinv_tui.settings import settings_file
from tinv_tui.worker import hook
from tinv_tui.worker.hook import run_hook

TELL = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w')); sys.exit(int(sys.argv[2]))"


@pytest.fixture
def told(tmp_path: Path) -> Path:
    return tmp_path / "it was told.json"


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return end(create_run_folder(tmp_path / "runs", "cat"), "finished")


def end(folder: RunFolder, state: str) -> RunFolder:
    writer = EventWriter(folder.events)
    writer.write("ended", state=state, step=7, reason="all steps done", embedding="/e/cat.safetensors")
    writer.close()
    return folder


def want(*arguments: object) -> None:
    settings_file().parent.mkdir(parents=True, exist_ok=True)
    command = shlex.join([sys.executable, *map(str, arguments)])
    settings_file().write_text(f"[hooks]\non_end = {json.dumps(command)}\n")


def test_it_is_told_of_the_run_in_its_environment(run: RunFolder, told: Path) -> None:
    want("-c", TELL, told, 0)
    assert run_hook(run) == ""
    environment = json.loads(told.read_text())
    assert {key: value for key, value in environment.items() if key.startswith("TINV_") and key in TOLD} == {
        "TINV_RUN": str(run.path),
        "TINV_NAME": "cat",
        "TINV_STATE": "finished",
        "TINV_STEP": "7",
        "TINV_REASON": "all steps done",
        "TINV_EMBEDDING": "/e/cat.safetensors",
    }


TOLD = ("TINV_RUN", "TINV_NAME", "TINV_STATE", "TINV_STEP", "TINV_REASON", "TINV_EMBEDDING")


def test_the_whole_story_is_not_read_to_run_it(run: RunFolder, told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook outlives the worker, whose memory it was to give back."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("all of it was read")

    monkeypatch.setattr(EventReader, "read_new", never)
    want("-c", TELL, told, 0)
    assert run_hook(run) == ""
    assert told.exists()


def test_a_pause_is_no_end(run: RunFolder, told: Path) -> None:
    want("-c", TELL, told, 0)
    assert run_hook(end(run, "paused")) == ""
    assert not told.exists()


def test_nothing_is_run_by_a_shell(run: RunFolder, tmp_path: Path) -> None:
    settings_file().parent.mkdir(parents=True, exist_ok=True)
    settings_file().write_text(f"[hooks]\non_end = 'true; touch {tmp_path}/shell'\n")
    assert "No such file" in run_hook(run)
    assert not (tmp_path / "shell").exists()


def test_one_that_takes_too_long_is_ended(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook, "PATIENCE_SECONDS", 0.2)
    want("-c", "import time; time.sleep(600)")
    assert "took longer than 0.2 s" in run_hook(run)


def test_settings_that_all_may_write_to_are_not_obeyed(run: RunFolder, told: Path) -> None:
    want("-c", TELL, told, 0)
    settings_file().chmod(0o666)
    assert "all may write to it" in run_hook(run)
    assert not told.exists()


def test_the_worker_becomes_it_keeps_its_exit_code_and_tells_of_a_failure(run: RunFolder, told: Path) -> None:
    want("-c", TELL, told, 3)
    become = (
        "import sys; from pathlib import Path; from tinv_tui.runs.folder import RunFolder;"
        "from tinv_tui.worker.hook import become_hook; become_hook(RunFolder(Path(sys.argv[1])), 1)"
    )
    environment = {**os.environ, MARK: str(run.path)}
    done = subprocess.run([sys.executable, "-c", become, str(run.path)], env=environment, check=False, timeout=60)
    assert done.returncode == 1
    assert MARK not in json.loads(told.read_text())
    last = read_all(run.events)[-1]
    assert (last["kind"], last["code"]) == ("warning", "hook-failed")
    assert "exit code 3" in last["message"]
