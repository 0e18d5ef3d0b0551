"""A real tmux with the app in it, driven by keys and read off the screen."""

from __future__ import annotations

import itertools
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path


class Tmux:
    """One tmux server with one window, in which a command of the program runs: the app, if no other is given."""

    def __init__(self, socket: Path) -> None:
        self._sockets = (f"{socket}-{number}" for number in itertools.count(1))
        self._socket = next(self._sockets)

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-u", "-S", self._socket, "-f", "/dev/null", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def open(self, width: int, height: int, *arguments: str) -> None:
        self._socket = next(self._sockets)  # a server that was just told to go may still hold the last one
        environment = "".join(f"{k}={shlex.quote(os.environ[k])} " for k in ("TINV_HOME", "PATH"))
        command = shlex.join([sys.executable, "-m", "tinv_tui", *arguments])
        shell = f"env -u COLUMNS -u LINES {environment}{command}; echo left with $?; sleep 600"
        self._tmux("new-session", "-d", "-x", str(width), "-y", str(height), shell)
        self._tmux("set", "-g", "status", "off")
        self._tmux("resize-window", "-x", str(width), "-y", str(height))
        self._tmux("set", "-s", "escape-time", "10")

    def keys(self, *keys: str) -> None:
        for key in keys:
            self._tmux("send-keys", key)
            time.sleep(0.1)

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def until(self, words: str, seconds: float = 60) -> str:
        deadline = time.monotonic() + seconds
        while words not in (screen := self.screen()):
            assert time.monotonic() < deadline, f"{words!r} did not come:\n{screen}"
            time.sleep(0.1)
        return screen

    def until_gone(self, words: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while words in (screen := self.screen()):
            assert time.monotonic() < deadline, f"{words!r} did not go:\n{screen}"
            time.sleep(0.1)

    def close(self) -> None:
        self._tmux("kill-server")
