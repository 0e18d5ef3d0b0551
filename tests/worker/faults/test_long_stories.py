"""Joining a run of 100,000 steps shows its whole history at once; a last line that is half written is no error."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.faults import FaultRecord
from tests.ui.tmux import Tmux
from tests.worker.faults.support import eventful_recipe
from tinv_tui import paths
from tinv_tui.app.watcher import RunWatcher
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.events import read_all
from tinv_tui.runs.folder import RunFolder, create_run_folder
from tinv_tui.runs.run import Run
from tinv_tui.runs.status import Status, write_status

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

STEPS = 100_000
STEPS_PER_EVENT = 2
"""A run of ten steps a second tells every second one."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """The events and the loss table of a run of 100,000 steps, with all that such a run tells."""
    losses = 0.12 + 0.05 * np.exp(-np.arange(STEPS + 1) / 8000) + 0.03 * np.random.default_rng(6).normal(size=STEPS + 1)
    events, rows = list[dict[str, Any]](), ["step,epoch,epoch_step,loss,learn_rate\n"]

    def tell(kind: str, **fields: Any) -> None:
        events.append({"v": 1, "t": "2026-11-22T10:00:00.000+00:00", "kind": kind, **fields})

    tell("started", run="long", steps=STEPS, from_step=0, device="cuda", family="SD1", pid=1, host="elk", seed=3)
    for step in range(1, STEPS + 1):
        loss = float(losses[step])
        rows.append(f"{step},{step // 42},{step % 42},{loss:.7f},0.005\n")
        if step % STEPS_PER_EVENT == 0:
            tell("step", step=step, loss=loss, learning_rate=0.005, steps_per_second=10.123)
        if step % 100 == 0:
            tell("evaluation", step=step, loss=loss, best=step % 1000 == 0, norms=[0.44, 0.41])
            tell("saved", step=step, path="/runs/long/checkpoint/state.safetensors", what="checkpoint")
        if step % 500 == 0:
            tell("saved", step=step, path=f"/runs/long/embeddings/long-{step}.safetensors", what="copy")
            tell("preview", step=step, path=f"/runs/long/images/long-{step}.png", prompt="a photo of a long", seed=42)
    lines = (json.dumps(event, separators=(",", ":")) + "\n" for event in events)
    return "".join(lines).encode(), "".join(rows).encode()


@pytest.fixture
def long_run(story: tuple[bytes, bytes]) -> RunFolder:
    folder = create_run_folder(paths.runs_folder(), "long")
    folder.recipe.write_text(to_toml(eventful_recipe(embedding__name="long", training__steps=STEPS)))
    folder.events.write_bytes(story[0])
    folder.losses.write_bytes(story[1])
    write_status(folder.status, Status(state="stopped", name="long", step=STEPS, steps=STEPS, loss=0.12))
    return folder


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    server = Tmux(tmp_path / "tmux")
    yield server
    server.close()


def seconds_of(look: Callable[[], object]) -> float:
    began = time.perf_counter()
    look()
    return time.perf_counter() - began


def command(*arguments: str) -> str:
    whole = [sys.executable, "-m", "tinv_tui", *arguments]
    return subprocess.run(whole, capture_output=True, text=True, check=True, timeout=60).stdout


def test_joining_a_run_of_a_hundred_thousand_steps_shows_all_of_it_in_a_moment(
    long_run: RunFolder, fault: FaultRecord
) -> None:
    view = RunWatcher(Run(long_run)).look().view
    assert view.step == STEPS
    assert view.curve[0].step < STEPS / 1000
    assert view.curve[-1].step == STEPS
    assert len(view.copies) == len(view.previews) == STEPS // 500
    looked = min(seconds_of(RunWatcher(Run(long_run)).look) for _ in range(3))
    assert looked < 5  # a second is the aim; this machine may have other work

    assert json.loads(command("show", "long", "--json"))["step"] == STEPS
    assert f"{STEPS}" in command("tail", "long", "--no-follow", "--lines", "3")
    commands = [("show", "long"), ("tail", "long", "--no-follow"), ("attach", "long", "--json"), ("--version",)]
    spent = {one[0]: min(seconds_of(lambda one=one: command(*one)) for _ in range(3)) for one in commands}
    told = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in spent.items())
    megabytes = (long_run.events.stat().st_size + long_run.losses.stat().st_size) / 1e6
    fault("a run of 100,000 steps joined", note=f"{megabytes:.0f} MB; history read in {looked:.2f} s; {told}")


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_the_app_opens_on_it(long_run: RunFolder, tmux: Tmux, fault: FaultRecord) -> None:
    def first_paint(*arguments: str) -> float:
        began = time.perf_counter()
        tmux.open(120, 36, *arguments)
        tmux.until("Log")
        tmux.until(f"long-{STEPS}" if arguments else "Learn a")
        took = time.perf_counter() - began
        tmux.close()
        return took

    joined, empty = first_paint("attach", "long"), first_paint()
    fault("a run of 100,000 steps joined", note=f"in the app, drawn in {joined:.1f} s; without a run {empty:.1f} s")


def test_a_last_line_that_is_half_written_is_left_for_later_wherever_it_is_cut(
    tmp_path: Path, story: tuple[bytes, bytes], fault: FaultRecord
) -> None:
    folder = create_run_folder(tmp_path / "runs", "half")
    events, rows = (b"".join(part.splitlines(keepends=True)[:40]) for part in story)
    last_event, last_row = (len(part.splitlines(keepends=True)[-1]) for part in (events, rows))
    for cut in range(1, last_event):
        folder.events.write_bytes(events[:-cut])
        folder.losses.write_bytes(rows[: -min(cut, last_row - 1)])
        watcher = RunWatcher(Run(folder))
        assert (len(read_all(folder.events)), watcher.look().view.curve[-1].step) == (39, 38)
        folder.events.write_bytes(events)
        folder.losses.write_bytes(rows)
        assert watcher.look().view.curve[-1].step == 39
    fault("a half-written last line of events and losses", last_event - 1)
