"""The app as a process of its own, in a terminal that stalls and goes away, while its run goes on."""

from __future__ import annotations

import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable
from fcntl import ioctl
from pathlib import Path

import pytest

from tests.ui.support import recipe
from tinv_tui.recipe import to_toml
from tinv_tui.runs.folder import RunFolder, all_runs
from tinv_tui.runs.inbox import post_command
from tinv_tui.runs.liveness import state_of
from tinv_tui.runs.status import read_status

_APP = """
import sys
from pathlib import Path
from tinv_tui.recipe import load_recipe
from tinv_tui.app.app import run_app
run_app(recipe=load_recipe(Path(sys.argv[1])), start=True) if len(sys.argv) > 1 else run_app()
"""
_NOTHING_IS_EVER_WRITTEN = """
from textual.drivers._writer_thread import WriterThread
WriterThread.run = lambda self: None
"""


class Terminal:
    """The app behind a pseudo terminal."""

    def __init__(self, *arguments: str, before: str = "") -> None:
        self.pid, self.master = pty.fork()
        if not self.pid:
            os.execve(
                sys.executable,
                [sys.executable, "-c", before + _APP, *arguments],
                os.environ | {"TERM": "xterm-256color"},
            )
        ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
        self.seen = b""

    def drain(self, seconds: float = 0.1) -> None:
        while select.select([self.master], [], [], seconds)[0]:
            try:
                self.seen += os.read(self.master, 65536)
            except OSError:
                return

    def wait(self, seconds: float = 10) -> int:
        """The exit status, killing what does not exit in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError("the app did not leave")


def _until(is_so: Callable[[], bool], between: Callable[[], None], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not become true"
        between()


def _step(run: RunFolder) -> int:
    status = read_status(run.status)
    return status.step if status is not None else 0


def test_a_run_outlives_a_stalled_and_a_lost_terminal_and_the_app_never_maps_torch(
    pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "recipe.toml").write_text(to_toml(recipe(pictures, training__steps=100_000)))
    terminal = Terminal(str(tmp_path / "recipe.toml"))
    _until(lambda: bool(all_runs()) and _step(all_runs()[0]) > 5, terminal.drain)
    run = all_runs()[0]
    _until(lambda: "● running".encode() in terminal.seen, terminal.drain)
    assert "torch" not in Path(f"/proc/{terminal.pid}/maps").read_text()

    before = _step(run)
    _until(lambda: _step(run) > before + 30, lambda: time.sleep(0.1))  # nobody reads the terminal meanwhile

    os.close(terminal.master)
    assert terminal.wait() in (0, -signal.SIGHUP)
    left_at = _step(run)
    _until(lambda: _step(run) > left_at + 10, lambda: time.sleep(0.1))
    post_command(run.inbox, "stop", {"save": False})
    _until(lambda: state_of(run)[0] == "stopped", lambda: time.sleep(0.1))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_app_tidily(number: signal.Signals) -> None:
    terminal = Terminal()
    _until(lambda: b"Learn a" in terminal.seen, terminal.drain)
    os.kill(terminal.pid, number)
    terminal.drain(10)  # to its end: the app closes the terminal when it leaves
    assert terminal.wait() == 0
    assert b"\x1b[?1049l" in terminal.seen, "the normal screen is back"
    os.close(terminal.master)


def test_the_app_leaves_a_lost_terminal_even_when_its_output_is_stuck() -> None:
    terminal = Terminal(before=_NOTHING_IS_EVER_WRITTEN)
    _until(lambda: _hears_hang_up(terminal), lambda: time.sleep(0.1))
    time.sleep(1)  # until its output is full, which nothing outside can see
    os.kill(terminal.pid, signal.SIGHUP)
    assert terminal.wait(30) == 0
    os.close(terminal.master)


def _hears_hang_up(terminal: Terminal) -> bool:
    status = Path(f"/proc/{terminal.pid}/status").read_text()
    caught = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(caught >> (signal.SIGHUP - 1) & 1)
