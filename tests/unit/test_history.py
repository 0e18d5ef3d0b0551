"""What a run's events and loss table come to."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tinv_tui.runs.curve import MOST_POINTS, LossCurve, LossTail
from tinv_tui.runs.events import EventReader
from tinv_tui.runs.history import RunHistory
from tinv_tui.runs.phases import counted


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"v": 1, "t": "2026-11-22T09:14:02.000+00:00", "kind": kind, **fields}


STARTED = event("started", run="zork", steps=100, from_step=0, device="cpu", model="bundled", pictures=5, seed=1)


def history(*events: dict[str, Any]) -> RunHistory:
    gathered = RunHistory()
    gathered.add_events(events)
    return gathered


def test_steps_make_the_numbers_and_the_curve() -> None:
    view = history(
        STARTED,
        event("step", step=1, loss=0.4, learning_rate=0.005, steps_per_second=None),
        event("step", step=50, loss=0.2, learning_rate=0.001, steps_per_second=25.0),
    ).view()
    assert (view.step, view.steps, view.loss, view.learning_rate) == (50, 100, 0.2, 0.001)
    assert [(p.step, p.mean) for p in view.curve] == [(1, 0.4), (50, 0.2)]
    assert view.eta_seconds == 2.0
    assert 0.2 < (view.smooth or 0) < 0.4


def test_the_best_evaluation_is_kept_with_its_step() -> None:
    view = history(
        STARTED,
        event("evaluation", step=0, loss=0.3, best=True),
        event("evaluation", step=20, loss=0.1, best=True),
        event("evaluation", step=40, loss=0.2, best=False),
    ).view()
    assert view.best == (20, 0.1)
    assert view.evaluation == 0.2
    assert view.evaluations == ((0, 0.3), (20, 0.1), (40, 0.2))


def test_copies_and_previews_are_kept_and_checkpoints_are_not_news() -> None:
    view = history(
        event("saved", step=10, path="/r/embeddings/zork-10.safetensors", what="copy"),
        event("saved", step=12, path="/r/checkpoint/state.safetensors", what="checkpoint"),
        event("preview", step=10, path="/r/images/zork-10.png", prompt="a zork", seed=42),
    ).view()
    assert [saved.step for saved in view.copies] == [10]
    assert view.previews[-1].prompt == "a zork"
    assert [line.text for line in view.log] == ["copy zork-10.safetensors", "preview zork-10.png"]


def test_the_end_is_told_with_its_hint() -> None:
    view = history(STARTED, event("ended", state="failed", step=7, reason="not finite", hint="Lower the rate.")).view()
    assert view.ended is not None
    assert (view.ended.state, view.ended.reason, view.ended.hint) == ("failed", "not finite", "Lower the rate.")
    assert view.log[-1].level == "bad"
    assert view.eta_seconds is None


def test_a_resumed_run_has_not_ended_and_forgets_evaluations_it_will_repeat() -> None:
    gathered = history(
        STARTED,
        event("evaluation", step=20, loss=0.2, best=True),
        event("evaluation", step=40, loss=0.3, best=False),
        event("ended", state="stopped", step=45, reason="as told"),
    )
    gathered.add_events([STARTED | {"from_step": 30}])
    assert gathered.view().ended is None
    assert gathered.view().evaluations == ((20, 0.2),)


@pytest.mark.parametrize("damaged", [event("step"), event("evaluation", step="x", loss=None), event("later-kind")])
def test_an_event_that_cannot_be_read_is_passed_over(damaged: dict[str, Any]) -> None:
    assert history(damaged, STARTED).view().steps == 100


def test_a_refused_command_says_so() -> None:
    view = history(event("ack", id="1", command="save", ok=False, message="the disk is full")).view()
    assert view.log[-1].text == "save was refused: the disk is full"


def test_a_curve_stays_small_and_keeps_its_extremes() -> None:
    curve = LossCurve()
    for step in range(1, 50_001):
        curve.add(step, 5.0 if step == 33_333 else 0.1)
    points = curve.points()
    assert len(points) <= MOST_POINTS
    assert points[-1].step == 50_000
    assert max(p.high for p in points) == 5.0
    assert [p.step for p in points] == sorted(p.step for p in points)


def test_a_loss_that_is_not_finite_leaves_a_gap() -> None:
    curve = LossCurve()
    for step, loss in ((1, 0.1), (2, float("nan")), (3, 0.3)):
        curve.add(step, loss)
    assert [p.step for p in curve.points()] == [1, 3]


def test_the_loss_table_replaces_the_sparse_points_of_events() -> None:
    gathered = history(STARTED, event("step", step=3, loss=0.3, learning_rate=0.1, steps_per_second=1.0))
    gathered.add_losses([(1, 0.1), (2, 0.2), (3, 0.3)])
    gathered.add_events([event("step", step=4, loss=0.4, learning_rate=0.1, steps_per_second=1.0)])
    assert [p.step for p in gathered.view().curve] == [1, 2, 3]
    assert gathered.view().loss == 0.4


def test_the_loss_table_is_read_as_it_grows_and_again_after_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "losses.csv"
    tail = LossTail(path)
    assert tail.read_new() == []
    path.write_text("step,epoch,epoch_step,loss,learn_rate\n1,0,0,0.5000000,0.005\n2,0,1,0.4")
    assert tail.read_new() == [(1, 0.5)]
    with path.open("a") as file:
        file.write("000000,0.005\n")
    assert tail.read_new() == [(2, 0.4)]
    replacement = tmp_path / "cut.csv"
    replacement.write_text("step,epoch,epoch_step,loss,learn_rate\n1,0,0,0.5000000,0.005\n")
    replacement.rename(path)
    assert tail.read_new() == [(1, 0.5)]
    assert tail.began_anew


def test_a_table_made_again_under_the_number_of_the_old_file_is_read_from_the_top(tmp_path: Path) -> None:
    path = tmp_path / "losses.csv"

    def write(losses: list[float]) -> None:
        rows = [f"{step},0,0,{loss:.7f},0.005\n" for step, loss in enumerate(losses, start=1)]
        path.write_text(
            "step,epoch,epoch_step,loss,learn_rate\n" + "".join(rows)
        )  # into the same file, as told by its number

    tail = LossTail(path)
    write([0.1, 0.2, 0.3])
    assert (tail.read_new(), tail.began_anew) == ([(1, 0.1), (2, 0.2), (3, 0.3)], False)
    inode = path.stat().st_ino
    write([0.1, 0.2, 0.4, 0.5])
    assert path.stat().st_ino == inode
    assert (tail.read_new(), tail.began_anew) == ([(1, 0.1), (2, 0.2), (3, 0.4), (4, 0.5)], True)
    write([0.1])
    assert (tail.read_new(), tail.began_anew) == ([(1, 0.1)], True)
    write([0.1, 0.9])
    assert (tail.read_new(), tail.began_anew) == ([(2, 0.9)], False)  # what was read still stands: so a table grows


def test_a_hundred_thousand_steps_are_taken_up_in_moments(tmp_path: Path) -> None:
    path = tmp_path / "losses.csv"
    path.write_text("".join(f"{step},0,0,0.1234567,0.005\n" for step in range(1, 100_001)))
    began = time.process_time()
    gathered = RunHistory()
    gathered.follow(LossTail(path))
    assert gathered.view().curve[-1].step == 100_000
    assert time.process_time() - began < 3


def test_the_vectors_lengths_are_those_of_the_newest_evaluation() -> None:
    history = RunHistory()
    history.add_events([{"kind": "evaluation", "step": s, "loss": 0.1, "norms": [0.5, 0.4 + s]} for s in (0, 1)])
    assert history.view().norms == (0.5, 1.4)


def test_loading_is_told_once_in_the_log_and_counted_beside_it() -> None:
    view = history(*[event("phase", name="loading", done=done, total=4067) for done in (0, 400, 812)]).view()
    assert [line.text for line in view.log] == ["loading the model"]
    assert counted(view.phase, view.phase_done, view.phase_total) == "loading 812/4067 MiB"
    assert counted("loading", 0, 1) == "loading"
    assert counted("encoding", 3, 8) == "encoding 3/8"


def test_of_a_long_story_the_newest_steps_come_to_the_same_where_the_loss_table_has_them_all(tmp_path: Path) -> None:
    def steps(first: int, last: int, rate: float | None = 9.5) -> list[dict[str, Any]]:
        numbers = range(first, last + 1)
        return [event("step", step=n, loss=1 / n, learning_rate=0.1 / n, steps_per_second=rate) for n in numbers]

    back = event("warning", code="rolled-back", message='"kind":"step"', step=12)
    story = [
        *(
            STARTED,
            *steps(1, 10),
            event("evaluation", step=10, loss=0.2, best=True),
            *steps(11, 14),
            back,
            *steps(13, 20),
        ),
        *(event("ended", state="stopped", step=20, reason="as told"), event("started", steps=100, from_step=20)),
        *(*steps(21, 22, None), event("saved", step=22, path="zork-22.safetensors", what="copy")),
    ]
    path = tmp_path / "events.jsonl"
    for length in range(1, len(story) + 1):
        path.write_text("".join(json.dumps(one, separators=(",", ":")) + "\n" for one in story[:length]))
        views, counts = [], []
        for newest_step_only in (False, True):
            gathered, events = RunHistory(), EventReader(path).read_new(newest_step_only=newest_step_only)
            gathered.add_losses([(n, 1 / n) for n in range(1, 23)])
            gathered.add_events(events)
            views.append(gathered.view())
            counts.append(len(events))
        assert views[0] == views[1]
    assert counts == [len(story), 8]
