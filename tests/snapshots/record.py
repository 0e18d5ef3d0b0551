"""Records the demo in the app as an asciicast, driven by keys in a real tmux; needs tmux and asciinema.

    python tests/snapshots/record.py

Then look at it: ``asciinema play tests/snapshots/demo.cast``.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tinv_tui.runs.demo import demo_recipe

HERE = Path(__file__).resolve().parent
CAST = HERE / "demo.cast"
COLUMNS, ROWS = 100, 30
_LONGEST_PAUSE = 1.5
"""Seconds; what takes longer is shown as if it took so long."""
_TELLING = 4.0


class Terminal:
    """The tmux that the recorded shell lies in. Its server is its own."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / "tmux")

    def open(self, command: str) -> None:
        self._tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), command)

    def keys(self, *keys: str, pause: float = 1.2) -> None:
        for key in keys:
            self._tmux("send-keys", key)
            time.sleep(pause)

    def until(self, text: str, seconds: float = 180) -> None:
        """Wait for it, and a moment more for whoever reads. Raises TimeoutError with the screen."""
        deadline = time.monotonic() + seconds
        while text not in (screen := self._tmux("capture-pane", "-p")):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {text!r} on the screen:\n{screen}")
            time.sleep(0.1)
        time.sleep(1.0)

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], check=False, capture_output=True)

    def _tmux(self, *arguments: str) -> str:
        said = subprocess.run(
            ["tmux", "-S", self._socket, "-f", os.devnull, *arguments], check=True, capture_output=True, text=True
        )
        return said.stdout


def record(home: Path) -> None:
    """Fill in, start, watch, leave, attach, pause, stop, look at the previews; ``home`` holds the pictures."""
    terminal = Terminal(home)
    shell = f"asciinema rec -q --overwrite --cols {COLUMNS} --rows {ROWS} -i {_LONGEST_PAUSE} -c tinv-tui"
    attach = f"asciinema rec -q --append --cols {COLUMNS} --rows {ROWS} -i {_LONGEST_PAUSE} -c 'tinv-tui attach zork'"
    try:
        terminal.open(f"{shell} {shlex.quote(str(CAST))}; {attach} {shlex.quote(str(CAST))}; sleep 600")
        terminal.until("Welcome to tinv-tui")
        terminal.keys("Escape")
        terminal.until("tokens left")
        terminal.keys(*"zork", "Tab", *"bundled", "Tab", *"char", pause=0.15)
        terminal.until("chartreuse/")
        terminal.keys("Right")  # takes the rest of the path
        terminal.until("✔ 5 pictures")
        terminal.keys("C-s")
        terminal.until("● running")
        terminal.until("eval")
        time.sleep(_TELLING)
        terminal.keys("z", pause=_TELLING)
        terminal.keys("z", "v")
        terminal.until("seed")
        terminal.keys("q")  # the run goes on; what is recorded next has found it again
        terminal.until("● running")
        terminal.keys("p", pause=2.0)
        terminal.keys("p", pause=_TELLING)
        terminal.keys("v", pause=_TELLING)
        terminal.keys("s", pause=2.0)
        terminal.keys("Enter")
        terminal.until("■ stopped")
        terminal.keys("C-g", "C-g", "Enter", pause=1.0)
        time.sleep(_TELLING)
        terminal.keys("Left", "Left", "Right", "Escape", "q")
    finally:
        terminal.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        environment = {"HOME": folder, "TINV_HOME": f"{folder}/tinv", "HOSTNAME": "gpu", "COLORTERM": "truecolor"}
        os.environ |= environment | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        os.chdir(folder)
        shutil.copytree(demo_recipe(1, None).dataset.path, "chartreuse")
        record(Path(folder))
    print(f"{CAST}: {CAST.stat().st_size / 1024:.0f} KiB")
