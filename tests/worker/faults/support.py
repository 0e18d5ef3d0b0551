"""Shared by the fault suite: a run that does everything in a minute, the moments to strike at, and what must not change."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.worker.helpers import recipe, train_here
from tinv_tui import paths
from tinv_tui.recipe import Recipe
from tinv_tui.runs.events import Event, EventReader, read_all
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.run import Run

PATIENCE_SECONDS = 90.0


def eventful_recipe(**changes: Any) -> Recipe:
    """Checkpoints every second, copies, previews and a result, in 60 steps."""
    wanted: dict[str, Any] = {
        "training__steps": 60,
        "training__batch_size": 1,
        "saving__checkpoint_seconds": 1,
        "saving__embedding_every": 15,
        "saving__image_every": 20,
        "saving__formats": ["safetensors", "pt"],
        "preview__steps": 8,
    }
    return recipe(**(wanted | changes))


@dataclass(frozen=True)
class Outcome:
    """What a run leaves that a fault may not change: whole files, and none beside them."""

    results: dict[str, bytes]
    copies: dict[str, bytes]
    losses: bytes

    @staticmethod
    def of(run: Run) -> Outcome:
        folders = paths.embeddings_folder(), run.folder.copies
        results, copies = ({path.name: path.read_bytes() for path in sorted(f.glob("[!.]*"))} for f in folders)
        assert not list(run.folder.path.glob("*/.*")), "half-written files lie about in the run"
        return Outcome(results, copies, run.folder.losses.read_bytes())


async def whole_run(wanted: Recipe) -> Outcome:
    """What comes of a recipe when nothing is done to its run."""
    return await finished(await Run.start(wanted))


async def finished(run: Run) -> Outcome:
    """Wait for a run to finish, and see what came of it."""
    ended = await run.wait()
    assert ended is not None, run.folder.worker_log.read_text()
    assert ended["state"] == "finished", ended
    return Outcome.of(run)


def kill(run: Run) -> int:
    """End the worker that this process started, at once; its exit code."""
    assert run.process is not None
    run.process.send_signal(signal.SIGKILL)
    return run.process.wait(timeout=PATIENCE_SECONDS)


def signal_worker(run: Run, number: int) -> None:
    assert run.process is not None
    run.process.send_signal(number)


async def until_state(run: Run, state: str) -> None:
    """Wait until a viewer would say that the run is in this state."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := run.state()[0]) != state:
        assert time.monotonic() < deadline, f"it is {found}, never {state}"
        await asyncio.sleep(0.05)


def reached_step(run: Run) -> int:
    """The last step that anybody was told of."""
    _, status = run.state()
    told = [event["step"] for event in read_all(run.folder.events) if event["kind"] == "step"]
    return max(status.step if status else 0, *told[-1:], 0)


def undisturbed(wanted: Recipe, home: Path) -> Outcome:
    """What a run leaves that nothing is done to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINV_HOME", str(home))
        folder = make_run(plan_run(wanted, Path.cwd()))
        assert train_here(folder) == 0
        return Outcome.of(Run(folder))


class Watch:
    """The news of one life of a worker, looked at every millisecond: faults have to strike at moments, not in seconds."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._reader = EventReader(run.folder.events)
        self._earlier = self._reader.read_new()

    async def event(self, is_it: Callable[[Event], bool]) -> Event:
        """Wait for an event that is yet to come."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            for event in self._reader.read_new():
                if is_it(event):
                    return event
            self._require_life()
            await asyncio.sleep(0.001)
        raise AssertionError(f"it did not come: {read_all(self._run.folder.events)[-1]}")

    async def phase(self, name: str) -> None:
        await self.event(lambda event: event["kind"] == "phase" and event["name"] == name)

    async def steps(self, count: int) -> int:
        """Wait for so many further steps; the last of them."""
        last = await self.event(lambda event: event["kind"] == "step")
        if count > 1:
            wanted = last["step"] + count - 1
            last = await self.event(lambda event: event["kind"] == "step" and event["step"] >= wanted)
        return int(last["step"])

    def write(self, folder: Path, name: str) -> None:
        """Return in the middle of the next write of a file, or right after it where the disk is quicker than this.

        It looks without a pause: a file of kilobytes is written in a millisecond.
        """
        deadline, prefix, file = time.monotonic() + PATIENCE_SECONDS, f".{name}", folder / name
        before = _mark(file)
        looks = 0
        while time.monotonic() < deadline:
            try:
                if any(other.startswith(prefix) for other in os.listdir(folder)):
                    return
            except FileNotFoundError:
                pass
            if _mark(file) != before:
                return
            looks += 1
            if looks % 1000 == 0:
                self._require_life()
        raise AssertionError(f"{name} was never written")

    def _require_life(self) -> None:
        assert self._run.process is not None
        assert self._run.process.poll() is None, f"it ended first: {read_all(self._run.folder.events)[-1:]}"


def _mark(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino


async def moment(name: str, run: Run, dice: random.Random) -> None:
    """Wait for a random moment of a kind in the life of the worker that was just launched."""
    watch = Watch(run)
    match name:
        case "launch":
            await asyncio.sleep(dice.uniform(0, 1.5))
        case "loading":
            await watch.phase("loading")
            await asyncio.sleep(dice.uniform(0, 2.5))
        case "encoding":
            await watch.phase("encoding")
            await asyncio.sleep(dice.uniform(0, 0.04))
        case "writing the latents":
            watch.write(run.folder.checkpoint, "latents.safetensors")
        case "training":
            await watch.steps(dice.randint(1, 12))
            await asyncio.sleep(dice.uniform(0, 0.2))
        case "writing a checkpoint":
            await watch.steps(dice.randint(1, 3))
            watch.write(run.folder.checkpoint, "state.safetensors")
        case "saving a copy":
            await watch.steps(1)
            watch.write(run.folder.copies, "")
        case "previewing":
            await watch.phase("previewing")
            await asyncio.sleep(dice.uniform(0, 0.25))
        case "saving the result":
            await watch.phase("training")
            watch.write(paths.embeddings_folder(), f"{run.folder.name}.safetensors")
        case unknown:
            raise ValueError(unknown)
