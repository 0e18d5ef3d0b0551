"""Two that want one run: one gets it, the other says so, and the run is none the worse."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest

from tests.faults import FaultRecord
from tests.worker.faults.support import Outcome, Watch, eventful_recipe, finished, kill, reached_step
from tinv_tui.runs.events import read_all
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.run import Run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


def at_once(count: int, command: list[str]) -> list[subprocess.Popen[str]]:
    return [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(count)]


async def test_of_two_workers_on_one_folder_one_trains(
    never_disturbed: Outcome, fault: FaultRecord, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = make_run(plan_run(eventful_recipe(), tmp_path_factory.mktemp("beside")))
    command = [sys.executable, "-m", "tinv_tui.worker", str(folder.path)]
    pair = at_once(2, command)
    said = [(await asyncio.to_thread(one.communicate))[1] for one in pair]
    loser = next(n for n, one in enumerate(pair) if one.returncode == 1)
    assert pair[1 - loser].returncode == 0
    assert "held by another worker" in said[loser]
    run = Run(folder)
    assert await finished(run) == never_disturbed
    assert len([event for event in read_all(folder.events) if event["kind"] == "started"]) == 1
    fault("two workers on one folder", steps_lost=0, identical=True)


@pytest.mark.parametrize("rivals", [2, 5])
async def test_of_rivals_that_resume_at_once_one_does(
    rivals: int, never_disturbed: Outcome, fault: FaultRecord
) -> None:
    run = await Run.start(eventful_recipe())
    await Watch(run).steps(20)
    kill(run)
    reached = reached_step(run)
    command = [sys.executable, "-m", "tinv_tui", "resume", "zork", "--headless", "--json"]
    started = at_once(rivals, command)
    answers = [await asyncio.to_thread(one.communicate) for one in started]
    codes = sorted(one.returncode for one in started)
    assert codes == [0, *[2] * (rivals - 1)], answers
    refused = [json.loads(out) for one, (out, _) in zip(started, answers, strict=True) if one.returncode]
    assert {answer["error"]["code"] for answer in refused} == {"run-live"}
    assert await finished(run) == never_disturbed
    starts = [event["from_step"] for event in read_all(run.folder.events) if event["kind"] == "started"]
    assert len(starts) == 2
    fault(f"{rivals} resumes at once", steps_lost=reached - starts[1], identical=True)
