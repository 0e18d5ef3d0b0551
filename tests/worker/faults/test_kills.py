"""``kill -9`` at any moment, then resume: the same bytes as of a run that was never killed, and every row once."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from tests.faults import FaultRecord
from tests.worker.faults.support import Outcome, eventful_recipe, kill, moment, reached_step
from tinv_tui.runs.events import read_all
from tinv_tui.runs.run import Run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

ONE_AFTER_ANOTHER = [
    ("encoding", "training", "writing a checkpoint", "previewing"),
    ("launch", "loading", "saving a copy", "saving the result"),
    ("writing the latents", "writing a checkpoint", "training", "writing a checkpoint", "training"),
    ("training", "previewing", "saving a copy", "saving the result"),
    ("loading", "encoding", "training", "previewing"),
    ("encoding", "saving a copy", "writing a checkpoint", "saving the result"),
]
"""The moments at which one run after another is killed: 25 in all."""


@dataclass(frozen=True)
class Kill:
    """``reached`` is the last step that had been told, ``saved`` that of the last checkpoint, ``told`` counts events."""

    moment: str
    reached: int
    saved: int
    told: int


async def killed_and_resumed(moments: tuple[str, ...], dice: random.Random) -> tuple[Run, list[Kill]]:
    run = await Run.start(eventful_recipe())
    kills = []
    for name in moments:
        await moment(name, run, dice)
        assert kill(run) == -9, f"it ended before it could be killed while {name}"
        assert run.state()[0] == "lost", name
        events = read_all(run.folder.events)
        saved = [e["step"] for e in events if e["kind"] == "saved" and e["what"] == "checkpoint"]
        kills.append(Kill(name, reached_step(run), max(saved, default=0), len(events)))
        await run.resume()
    ended = await run.wait()
    assert ended is not None, run.folder.worker_log.read_text()
    assert ended["state"] == "finished", ended
    return run, kills


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param(("writing a checkpoint",), marks=pytest.mark.faults(ci=True)),
        *ONE_AFTER_ANOTHER,
    ],
    ids=", ".join,
)
async def test_a_run_that_is_killed_again_and_again_comes_to_the_same_bytes(
    moments: tuple[str, ...], never_disturbed: Outcome, fault: FaultRecord
) -> None:
    run, kills = await killed_and_resumed(moments, random.Random(", ".join(moments)))
    outcome = Outcome.of(run)
    assert outcome.losses.decode() == never_disturbed.losses.decode()
    assert outcome.copies == never_disturbed.copies
    assert outcome.results == never_disturbed.results

    events = read_all(run.folder.events)
    for one in kills:
        back_at = next(e["from_step"] for e in events[one.told :] if e["kind"] == "started")
        assert back_at >= one.saved, f"{one}: a checkpoint that had been told was not gone on from"
        fault(f"kill -9 while {one.moment}", steps_lost=max(0, one.reached - back_at), identical=True)
