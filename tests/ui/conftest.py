"""The app's tests: workers that a test starts are ended with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tinv_tui.runs.folder import all_runs
from tinv_tui.runs.liveness import is_locked, read_holder


@pytest.fixture(autouse=True)
def _no_worker_outlives_its_test() -> Iterator[None]:
    yield
    for run in all_runs():
        holder = read_holder(run.lock)
        if is_locked(run.lock) and holder is not None and holder.pid != os.getpid():
            os.kill(holder.pid, signal.SIGKILL)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures, two of them with captions, one not square, and a broken file."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, (colour, size) in enumerate((("red", (64, 64)), ("green", (64, 64)), ("blue", (96, 64))), start=1):
        Image.new("RGB", size, colour).save(folder / f"{number:03}.png")
    (folder / "001.txt").write_text("a red thing on a table")
    (folder / "003.txt").write_text("a blue thing")
    (folder / "004.png").write_bytes(b"")
    return folder
