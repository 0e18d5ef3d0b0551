"""The app as a process of its own behind a pseudo terminal."""

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

from tests.ui.support import WIDE
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.status import read_status

_APP = """
import sys
from pathlib import Path
from tinv_tui.recipe_file import load_recipe
from tinv_tui.app.opening import run_app
files = [word for word in sys.argv[1:] if word != "--slow-link"]
recipe = load_recipe(Path(files[0])) if files else None
run_app(recipe=recipe, start=bool(files), slow_link="--slow-link" in sys.argv)
"""


class Terminal:
    """``arguments``: a recipe that is started, and --slow-link; ``before`` is code that runs first."""

    def __init__(self, *arguments: str, before: str = "", size: tuple[int, int] = WIDE) -> None:
        self.pid, self.master = pty.fork()
        if not self.pid:
            os.execve(
                sys.executable,
                [sys.executable, "-c", before + _APP, *arguments],
                os.environ | {"TERM": "xterm-256color"},
            )
        ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
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

    def end(self) -> None:
        """Have the app leave; a run goes on."""
        os.kill(self.pid, signal.SIGTERM)
        self.drain(5)
        self.wait()
        os.close(self.master)


def wait_until(is_so: Callable[[], bool], between: Callable[[], None], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not become true"
        between()


def step_of(run: RunFolder) -> int:
    status = read_status(run.status)
    return status.step if status is not None else 0
