"""The app as a process of its own, in a terminal that stalls and goes away, while its run goes on."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.processes import command_of
from tests.ui.support import recipe
from tests.ui.terminal import Terminal, step_of, wait_until
from tinv_tui import paths
from tinv_tui.embeddings.files import Embedding, write_embedding
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.folder import all_runs
from tinv_tui.runs.inbox import post_command
from tinv_tui.runs.liveness import state_of

_NOTHING_IS_EVER_WRITTEN = """
from textual.drivers._writer_thread import WriterThread
WriterThread.run = lambda self: None
"""


def test_a_run_outlives_a_stalled_and_a_lost_terminal_and_the_app_stays_small(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(to_toml(recipe(pictures, training__steps=100_000)))
    paths.embeddings_folder().mkdir(parents=True)
    trained = Embedding("zork", {"emb_params": np.zeros((1, 64), np.float32)}, step=300)
    write_embedding(paths.embeddings_folder() / "zork.safetensors", trained)
    terminal = Terminal(str(tmp_path / "recipe.toml"))
    wait_until(lambda: bool(all_runs()) and step_of(all_runs()[0]) > 5, terminal.drain)
    run = all_runs()[0]
    wait_until(lambda: "● running".encode() in terminal.seen, terminal.drain)
    assert not [library for library in ("torch", "numpy", "tokenizers") if library in mapped_by(terminal.pid)]
    assert any("tinv_tui.worker.vocabulary" in command_of(child) for child in psutil.Process(terminal.pid).children())

    before = step_of(run)
    wait_until(lambda: step_of(run) > before + 30, lambda: time.sleep(0.1))  # nobody reads the terminal meanwhile

    os.close(terminal.master)
    assert terminal.wait() in (0, -signal.SIGHUP)
    left_at = step_of(run)
    wait_until(lambda: step_of(run) > left_at + 10, lambda: time.sleep(0.1))
    post_command(run.inbox, "stop", {"save": False})
    wait_until(lambda: state_of(run)[0] == "stopped", lambda: time.sleep(0.1))


def mapped_by(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_app_tidily(number: signal.Signals) -> None:
    terminal = Terminal()
    wait_until(lambda: b"Learn a" in terminal.seen, terminal.drain)
    os.kill(terminal.pid, number)
    terminal.drain(10)  # to its end: the app closes the terminal when it leaves
    assert terminal.wait() == 0
    assert b"\x1b[?1049l" in terminal.seen, "the normal screen is back"
    os.close(terminal.master)


def test_the_app_leaves_a_lost_terminal_even_when_its_output_is_stuck() -> None:
    terminal = Terminal(before=_NOTHING_IS_EVER_WRITTEN)
    wait_until(lambda: _hears_hang_up(terminal), lambda: time.sleep(0.1))
    time.sleep(1)  # until its output is full, which nothing outside can see
    os.kill(terminal.pid, signal.SIGHUP)
    assert terminal.wait(30) == 0
    os.close(terminal.master)


def _hears_hang_up(terminal: Terminal) -> bool:
    status = Path(f"/proc/{terminal.pid}/status").read_text()
    caught = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(caught >> (signal.SIGHUP - 1) & 1)
