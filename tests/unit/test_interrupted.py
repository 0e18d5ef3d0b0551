"""What was interrupted, or declined, ends with exit code 130 and no fault of the program, and says how far it came."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.ui.terminal import Terminal, wait_until
from tinv_tui import paths
from tinv_tui.cli import commands, preprocessing, steering
from tinv_tui.errors import InputError
from tinv_tui.runs.folder import create_run_folder
from tinv_tui.runs.jobs import JobCancelled


class SlowToEnd:
    """Stands in for a job: it is told to end twice, by TERM, and takes its time with it."""

    def __init__(self) -> None:
        self._is_ended = False

    @classmethod
    async def start(cls, *_: object, **__: object) -> SlowToEnd:
        return cls()

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        if self._is_ended:
            raise JobCancelled
        written = [{"image": "0.png", "caption": None, "source": "0.jpg"}]
        yield {"written": written, "skipped": [], "done": 1, "total": 2, "rate": 1.0}
        await self._be_told_to_end()

    async def cancel(self) -> None:
        if not self._is_ended:
            await self._be_told_to_end()
            self._is_ended = True

    async def _be_told_to_end(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(10):  # rounds of the loop, which hears of it in one of the first
            await asyncio.sleep(0)


def test_preprocess_that_is_told_to_end_twice_tells_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preprocessing, "Job", SlowToEnd)
    told = CliRunner().invoke(commands, ["preprocess", str(tmp_path), str(tmp_path / "made"), "--json"])
    assert told.exit_code == 130
    said = json.loads(told.output)
    assert said["error"]["code"] == "interrupted"
    assert [entry["image"] for entry in said["written"]] == ["0.png"]


def test_a_process_that_is_not_to_be_ended_is_left_alone_and_that_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*_: object, **__: object) -> None:
        raise InputError("run-silent", "it does not hear")

    monkeypatch.setattr(steering, "is_terminal", lambda: True)
    monkeypatch.setattr(steering.Run, "command", silent)
    monkeypatch.setattr(steering, "terminate_worker", lambda folder: pytest.fail("it was ended"))
    create_run_folder(paths.runs_folder(), "indigo").recipe.touch()
    told = CliRunner().invoke(commands, ["stop", "indigo", "--force"], input="n\n")
    assert told.exit_code == 130
    question, answer = told.stderr.splitlines()
    assert question.startswith("indigo has not ended when it was asked to.")
    assert answer == "left as it is; it was asked to stop, and will once it hears that"


_SILENT = """
from tinv_tui.cli import commands, steering
from tinv_tui.errors import InputError

async def silent(*_, **__):
    raise InputError("run-silent", "it does not hear")

steering.Run.command = silent
commands(["stop", "indigo", "--force"])
"""


def test_ctrl_c_at_a_question_is_heard_the_first_time() -> None:
    create_run_folder(paths.runs_folder(), "indigo").recipe.touch()
    terminal = Terminal(before=_SILENT)
    wait_until(lambda: b"(TERM)? [y/N]:" in terminal.seen, terminal.drain)
    os.write(terminal.master, b"\x03")
    wait_until(lambda: b"left as it is; it was asked to stop" in terminal.seen, terminal.drain, 10)
    assert terminal.wait() == 130
    os.close(terminal.master)
