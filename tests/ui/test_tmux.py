"""The app in a real tmux: filled in and started by keys, left, and found again, at both sizes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ui.tmux import Tmux

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    server = Tmux(tmp_path / "tmux")
    yield server
    server.close()


def test_a_run_is_started_left_found_again_paused_changed_stopped_and_compared_by_keys(
    tmux: Tmux, pictures: Path
) -> None:
    tmux.open(120, 36)
    tmux.until("Welcome to tinv-tui")
    tmux.keys("Escape")
    tmux.until_gone("Welcome to tinv-tui")  # a letter right behind an escape would be one key with it
    tmux.until("74 of 75 tokens left")
    tmux.keys("zork", "Tab", "bundled", "Tab", str(pictures))
    screen = tmux.until("✔ 3 pictures")
    for pane in ("Train", "Dataset", "Loss", "GPU", "Newest preview", "Log"):
        assert f"╭─ {pane}" in screen, screen
    assert all(len(line) <= 120 for line in screen.splitlines())
    tmux.keys("C-s")
    tmux.until("zork ● running")
    tmux.keys("q")
    left = tmux.until("left with 0")
    assert "zork keeps running; come back with: tinv-tui attach zork" in left
    tmux.close()

    tmux.open(80, 24)
    screen = tmux.until("zork ● running")
    assert "[ Loss ]" in screen
    tmux.until("eval")
    tmux.keys("p")
    tmux.until("zork ◐ paused")
    tmux.keys("p")
    tmux.until("zork ● running")
    tmux.keys("c")
    tmux.until("training.learning_rate")
    tmux.keys("Enter")
    tmux.until("enter take")
    tmux.keys("C-u", "0.002")
    tmux.until("0.002")
    tmux.keys("Enter")
    tmux.until("rate 0.002")
    tmux.keys("s")
    tmux.until("Stop and save the embedding")
    tmux.keys("Enter")
    screen = tmux.until("■ stopped")
    assert "Newest preview" in screen
    tmux.keys("q")
    tmux.until("left with 0")
    tmux.close()

    tmux.open(80, 24)  # the same once more, to compare the two
    tmux.until("74 of 75 tokens left")
    tmux.keys("C-s")
    tmux.until("zork-2 ● running")
    tmux.keys("s")
    tmux.until("Stop and save the embedding")
    tmux.keys("Enter")
    tmux.until("■ stopped")
    tmux.keys("F5")
    tmux.until("2 runs")
    tmux.keys("Space", "Space", "c")
    screen = tmux.until("training.seed ")  # it was left open, and each run has drawn its own
    assert re.findall(r"^│ ([a-z]+\.[a-z_]+) ", screen, re.MULTILINE) == ["training.seed"], screen
    assert "A zork-2" in screen, screen
    assert "B zork" in screen
