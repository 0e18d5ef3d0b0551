"""What a system, a cluster or a hand may send to a worker: obeyed or not heard, and never a byte of difference."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import FaultRecord
from tests.worker.faults.support import (
    Outcome,
    Watch,
    eventful_recipe,
    finished,
    moment,
    signal_worker,
    undisturbed,
    until_state,
)
from tinv_tui.embeddings.files import read_embedding
from tinv_tui.runs.events import Event, read_all
from tinv_tui.runs.run import Run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

DICE = random.Random(6)


async def stopped_by(run: Run, *numbers: int) -> Event:
    """Send signals that end a run, and wait for its last word."""
    for number in numbers:
        signal_worker(run, number)
    ended = await run.wait()
    assert ended is not None, run.folder.worker_log.read_text()
    assert ended["state"] == "stopped", ended
    assert run.process is not None
    assert run.process.wait() == 0
    return ended


async def test_term_in_the_middle_of_a_preview_ends_it_there_and_saves() -> None:
    run = await Run.start(eventful_recipe(preview__steps=1000))
    await Watch(run).phase("previewing")
    ended = await stopped_by(run, signal.SIGTERM)
    assert ended["step"] == 20
    assert read_embedding(Path(ended["embedding"])).step == 20
    assert not any(event["kind"] == "preview" for event in read_all(run.folder.events))


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("loading", [signal.SIGTERM]),
        ("encoding", [signal.SIGTERM]),
        ("training", [signal.SIGTERM]),
        ("training", [signal.SIGINT]),
        ("training", [signal.SIGTERM, signal.SIGINT, signal.SIGTERM]),
        ("previewing", [signal.SIGTERM]),
        ("writing a checkpoint", [signal.SIGTERM]),
        ("saving a copy", [signal.SIGINT]),
    ],
)
async def test_what_was_told_to_end_goes_on_as_if_it_had_not(
    name: str, numbers: list[signal.Signals], never_disturbed: Outcome, fault: FaultRecord
) -> None:
    run = await Run.start(eventful_recipe())
    await moment(name, run, DICE)
    ended = await stopped_by(run, *numbers)
    await run.resume()
    assert await finished(run) == never_disturbed
    back_at = next(e["from_step"] for e in reversed(read_all(run.folder.events)) if e["kind"] == "started")
    assert back_at == ended["step"]
    fault(f"{', '.join(n.name for n in numbers)} while {name}", steps_lost=ended["step"] - back_at, identical=True)


async def hang_up(run: Run, watch: Watch) -> None:
    for _ in range(5):
        await watch.steps(DICE.randint(1, 5))
        signal_worker(run, signal.SIGHUP)


async def ask_to_save(run: Run, watch: Watch) -> None:
    for _ in range(5):
        at = await watch.steps(DICE.randint(1, 5))
        signal_worker(run, signal.SIGUSR1)
        await watch.event(lambda e, at=at: e["kind"] == "saved" and e["what"] == "checkpoint" and e["step"] >= at)


async def stop_and_continue(run: Run, watch: Watch) -> None:
    for _ in range(2):
        await watch.steps(5)
        signal_worker(run, signal.SIGSTOP)
        await until_state(run, "not-responding")
        signal_worker(run, signal.SIGCONT)
        await until_state(run, "running")


@pytest.mark.parametrize(
    ("name", "times", "disturb"),
    [
        ("SIGHUP", 5, hang_up),
        ("SIGUSR1", 5, ask_to_save),
        ("SIGSTOP until it is not responding, SIGCONT", 2, stop_and_continue),
    ],
)
async def test_what_is_no_reason_to_end_changes_nothing(
    name: str,
    times: int,
    disturb: Callable[[Run, Watch], Awaitable[None]],
    tmp_path: Path,
    fault: FaultRecord,
) -> None:
    wanted = eventful_recipe(training__steps=400)  # so that it outlasts what is done to it
    never_disturbed = await asyncio.to_thread(undisturbed, wanted, tmp_path)
    run = await Run.start(wanted)
    task = asyncio.create_task(finished(run))
    await disturb(run, Watch(run))
    outcome = await task
    asked_for = outcome.copies.keys() - never_disturbed.copies.keys()
    assert bool(asked_for) == (disturb is ask_to_save)
    unasked = {copy: content for copy, content in outcome.copies.items() if copy not in asked_for}
    assert replace(outcome, copies=unasked) == never_disturbed
    fault(name, times, steps_lost=0, identical=True)
