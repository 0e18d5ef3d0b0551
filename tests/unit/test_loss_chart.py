"""The loss chart: windows, gaps, scales, and the marks of what happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinv_tui.app.loss_chart import LossLook, draw_loss
from tinv_tui.runs.curve import LossTail
from tinv_tui.runs.history import Marker, RunHistory, RunView


def table(*rows: tuple[int, float], anew: bool = False) -> RunHistory:
    gathered = RunHistory()
    gathered.add_losses(rows, anew=anew)
    return gathered


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"v": 1, "t": "2026-11-22T09:14:02.000+00:00", "kind": kind, **fields}


def plain(view: RunView, look: LossLook | None = None, width: int = 106, height: int = 5) -> list[str]:
    return ["".join(text for text, _ in line) for line in draw_loss(view, look or LossLook(), width, height)]


def test_a_window_shows_the_newest_steps_only_and_each_of_them_however_long_the_run_is() -> None:
    view = table(*((step, 1.0 if step <= 19_900 else 0.1 + step % 2) for step in range(1, 20_001))).view()
    for window in (1000, 100):
        assert [p.step for p in view.recent[-window:]] == list(range(20_001 - window, 20_001))
    rows = plain(view, LossLook(window=100), height=30)
    assert rows[-2].split()[:2] == ["19", "901"]
    assert rows[-2].endswith("20 000")
    assert len(rows[0]) == 6 + 100
    assert plain(view, LossLook(window=1000), height=30)[-2].split()[:2] == ["19", "001"]
    assert plain(view, height=30)[-2].split()[0] == "1"


def test_a_window_of_more_steps_than_there_are_shows_them_all() -> None:
    view = table(*((step, 0.5) for step in range(1, 31))).view()
    assert plain(view, LossLook(window=100)) == plain(view)


def test_a_step_without_a_row_and_a_loss_that_is_not_a_number_are_gaps_that_nothing_bridges() -> None:
    rows = [(1, 0.5), (2, 0.5), (5, 0.5), (6, float("nan")), (7, 0.5)]
    chart = plain(table(*rows).view())
    assert {row[6:][2:4] + row[6:][5:6] for row in chart} == {"   "}
    assert chart[-1][6:] == "██  █ █"
    roomy = plain(table(*rows).view(), height=20)
    assert all(row[8:10].isspace() for row in roomy[:-3])


def test_between_events_of_steps_there_is_no_gap_as_not_every_step_is_told() -> None:
    gathered = RunHistory()
    gathered.add_events([event("step", step=step, loss=0.5) for step in (1, 10, 20)])
    assert plain(gathered.view())[-1][6:] == "█" * 20


def test_copies_previews_rates_and_rollbacks_are_marked_at_their_steps_with_a_legend() -> None:
    gathered = table(*((step, 0.5) for step in range(1, 101)))
    gathered.add_losses([(101, 0.5)], rate_changes=[31])
    gathered.add_events(
        [
            event("saved", step=50, path="/r/zork-50.safetensors", what="copy"),
            event("preview", step=50, path="/r/zork-50.png"),
            event("preview", step=70, path="/r/zork-70.png"),
            event("warning", step=90, code="rolled-back", message="not finite: back to step 90"),
        ]
    )
    *_, marks, steps, legend = plain(gathered.view(), width=107, height=20)
    assert {marks[6:].index(glyph) + 1 for glyph in "◆•◦«"} == {31, 50, 70, 90}
    assert steps[6:].startswith("1 ")
    for word in ("◆ new rate", "• copy", "◦ preview", "« went back", "─ smooth", "█ training"):
        assert word in legend
    small = plain(gathered.view(), width=35, height=5)
    assert "◆" in small[-1]
    assert len(small) == 5


def test_marks_outside_the_window_are_not_drawn() -> None:
    gathered = table(*((step, 0.5) for step in range(1, 301)))
    gathered.add_events([event("saved", step=50, path="/r/zork-50.safetensors", what="copy")])
    assert "•" in plain(gathered.view(), height=20)[-3]
    assert "•" not in "".join(plain(gathered.view(), LossLook(window=100), height=20))


def test_rate_changes_are_read_off_the_table_so_planned_ones_are_too(tmp_path: Path) -> None:
    path = tmp_path / "losses.csv"
    rates = ["0.005"] * 3 + ["0.001"] * 3 + ["0.0005"]
    rows = [f"{step},0,0,0.5,{rate}\n" for step, rate in enumerate(rates, start=1)]
    path.write_text("step,epoch,epoch_step,loss,learn_rate\n" + "".join(rows[:4]))
    tail, gathered = LossTail(path), RunHistory()
    gathered.add_losses(tail.read_new(), tail.rate_changes)
    gathered.add_events([event("changed", key="training.learning_rate", old="0.005", new="0.001", step=3)])
    with path.open("a") as file:
        file.write("".join(rows[4:]))
    gathered.add_losses(tail.read_new(), tail.rate_changes)
    assert gathered.view().markers == (Marker(4, "rate"), Marker(7, "rate"))


def test_without_a_table_a_changed_rate_is_marked_from_its_event() -> None:
    gathered = RunHistory()
    gathered.add_events([event("changed", key="training.learning_rate", old="0.005", new="0.001", step=3)])
    assert gathered.view().markers == (Marker(4, "rate"),)


def test_an_evaluation_that_hardly_changes_looks_like_it_and_one_that_falls_like_that() -> None:
    def told(*losses: float) -> set[str]:
        gathered = table(*((step, 0.3) for step in range(1, 101)))
        events = [event("evaluation", step=20 * n, loss=loss, best=True) for n, loss in enumerate(losses, 1)]
        gathered.add_events(events)
        return set(plain(gathered.view(), LossLook(), 40, 4)[-1].removeprefix("eval").strip())

    assert len(told(0.35053, 0.35052, 0.35051, 0.3505)) <= 2
    assert len(told(0.3505, 0.345, 0.34, 0.33)) == 4


def test_every_row_is_as_wide_as_told_at_most_and_there_are_as_many_as_told() -> None:
    gathered = table(*((step, 1 / step) for step in range(1, 2_345)))
    gathered.add_events([event("evaluation", step=20 * n, loss=0.3 - n / 1000, best=True) for n in range(100)])
    for width, height in ((29, 4), (35, 5), (72, 11), (116, 27), (7, 3)):
        for look in (LossLook(), LossLook(1000, log=True), LossLook(100)):
            rows = plain(gathered.view(), look, width, height)
            assert len(rows) == height
            assert max(map(len, rows)) <= width
