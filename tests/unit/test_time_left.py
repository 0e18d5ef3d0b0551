"""The time left of a run: of its steps and what comes between them, or of its minutes where those end first."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tinv_tui.app.watcher import RunNow
from tinv_tui.runs.events import read_all
from tinv_tui.runs.folder import RunFolder, create_run_folder
from tinv_tui.runs.history import RunHistory, RunView
from tinv_tui.runs.status import Status, read_status
from tinv_tui.training.arriving import StepResult
from tinv_tui.worker.pace import Pace
from tinv_tui.worker.reporter import Reporter

EVENT: dict[str, Any] = {"v": 1, "t": "2026-11-22T09:14:02.000+00:00"}
RESULT = StepResult(
    step=25, loss=0.1, learning_rate=0.005, first_prompt="", gradient=0.1, change=0.1, gradient_norm=0.1
)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create_run_folder(tmp_path / "runs", "zork")


@pytest.mark.parametrize(("seconds_left", "eta"), [(None, 500.0), (3.0, 3.0), (900.0, 500.0)])
def test_the_status_tells_what_ends_first(folder: RunFolder, seconds_left: float | None, eta: float) -> None:
    reporter = Reporter(folder, Status(state="starting", steps=1000))
    try:
        reporter.seconds_left = seconds_left
        for _ in range(5):
            reporter.pace.stepped(0, 0.5, {})
        reporter.update(state="running", phase="training")
        deadline, told = time.monotonic() + 60, None
        while told is None and time.monotonic() < deadline:
            status = read_status(folder.status)
            told = status.eta_seconds if status is not None else None
            time.sleep(0.01)
        assert told == eta
    finally:
        reporter.close("stopped", "as told")


@pytest.mark.parametrize(("told", "eta"), [(None, 50.0), (3.0, 3.0), (70.0, 50.0)])
def test_the_app_tells_what_ends_first(folder: RunFolder, told: float | None, eta: float) -> None:
    view = RunView(step=50, steps=100, steps_per_second=1.0)
    assert RunNow(folder, "running", Status(eta_seconds=told), view).eta_seconds == eta


EVERY = {"preview": 20, "copy": 100, "evaluation": 0}


def pace_at(step: int, *, seconds_per_step: float = 0.5) -> Pace:
    pace = Pace()
    for _ in range(3):
        pace.stepped(0, 60.0, EVERY)  # the first steps of a process say nothing
    for made in range(1, step + 1):
        pace.stepped(made, seconds_per_step, EVERY)
    return pace


def test_what_is_still_to_come_between_the_steps_is_counted_by_the_time_it_took_before() -> None:
    pace = pace_at(25)
    assert pace.seconds_left(400) == 375 * 0.5  # nothing is known of previews yet
    pace.spent("preview", 3.0)
    pace.spent("evaluation", 7.0)  # the recipe has no more of those
    assert pace.seconds_left(400) == 375 * 0.5 + 19 * 3.0
    pace.spent("copy", 1.0)
    assert pace.seconds_left(400) == 375 * 0.5 + 19 * 3.0 + 4 * 1.0
    assert pace.steps_per_second == 2.0


def test_a_preview_that_was_not_drawn_yet_counts_as_the_steps_it_is_worth() -> None:
    pace = pace_at(25)
    pace.expect("preview", 8)
    assert pace.seconds_left(400) == 375 * 0.5 + 19 * 8 * 0.5
    pace.spent("preview", 3.0)
    assert pace.seconds_left(400) == 375 * 0.5 + 19 * 3.0


def test_one_preview_that_was_held_up_does_not_count_for_all() -> None:
    pace = pace_at(100)
    for seconds in (90.0, 3.0, 3.0, 2.0, 4.0):
        pace.spent("preview", seconds)
    assert pace.seconds_left(120) == 20 * 0.5 + 3.0


def test_one_step_that_was_held_up_does_not_count_for_all_but_slower_pictures_do() -> None:
    pace = Pace()
    for step, seconds in enumerate([60.0] * 3 + [600.0] + [0.5, 0.5, 0.5, 0.9] * 5, start=1):
        pace.stepped(step, seconds, {})
    assert pace.seconds_left(24 + 100) == pytest.approx(100 * 0.6)


def test_what_is_under_way_is_counted_down_and_then_taken_into_account() -> None:
    pace = pace_at(40)
    pace.spent("preview", 1000.0)
    with pace.doing("preview"):
        left = pace.seconds_left(40)
        assert left is not None
        assert 900 < left < 1000
    assert pace.seconds_left(40) == 0
    assert pace.seconds_left(60) == pytest.approx(10 + 500, abs=5)  # the middle of the two times


def test_steps_that_are_made_again_are_counted_again() -> None:
    pace = pace_at(40)
    pace.go_back(10)
    assert pace.seconds_left(40) == 15


def test_a_run_of_one_step_so_far_does_not_guess() -> None:
    assert pace_at(0).seconds_left(400) is None


def test_the_event_of_a_step_tells_the_time_left_and_the_app_takes_it(folder: RunFolder) -> None:
    reporter = Reporter(folder, Status(state="running", phase="training", steps=400))
    reporter.pace = pace_at(25)
    reporter.pace.spent("preview", 3.0)
    reporter.step(RESULT, 0, 0)
    reporter.close("stopped", "as told")
    (told,) = read_all(folder.events)
    assert (told["steps_per_second"], told["eta_seconds"]) == (2.0, 244.5)
    history = RunHistory()
    history.add_events([EVENT | {"kind": "started", "from_step": 0, "steps": 400}, told])
    assert history.view().eta_seconds == 244.5


def test_of_a_run_that_did_not_tell_it_the_time_left_is_that_of_its_steps() -> None:
    history = RunHistory()
    step = {"kind": "step", "step": 100, "loss": 0.1, "learning_rate": 0.005, "steps_per_second": 2.0}
    history.add_events([EVENT | {"kind": "started", "from_step": 0, "steps": 400}, EVENT | step])
    assert history.view().eta_seconds == 150.0
