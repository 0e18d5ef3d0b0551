"""Starts processes that do for the app what would make it large: each hears a line and answers with one."""

from __future__ import annotations

import subprocess
import threading

from tinv_tui.interpreter import PYTHON


def start_helper(module: str) -> subprocess.Popen[str]:
    """Start a module of the worker's with pipes for lines to and from it. It ends with this process. Raises OSError."""
    process = subprocess.Popen(
        [*PYTHON, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        start_new_session=True,
        cwd="/",
    )
    threading.Thread(target=process.wait, daemon=True).start()  # nobody may ask again, and it would stay a zombie
    return process


def write_line(process: subprocess.Popen[str], line: str) -> None:
    """Ask. Who reads the answer finds it where the process has ended."""
    assert process.stdin is not None
    try:
        process.stdin.write(line + "\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass
