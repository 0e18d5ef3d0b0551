"""The loss of the run: its windows, its scale, the zoomed chart, and what a paused run does not say."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.ui.support import NARROW, WIDE, past_run, ready, recipe, screen_text, until
from tinv_tui.app.app import TinvApp
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.status import read_status, write_status


def with_table(run: RunFolder, steps: int) -> RunFolder:
    """Give a past run a loss for every step, the first hundred at a higher rate."""
    rows = [f"{n},0,{n},{0.1 + 100 / (n + 100):.7f},{0.005 if n <= 100 else 0.001}\n" for n in range(1, steps + 1)]
    run.losses.write_text("step,epoch,epoch_step,loss,learn_rate\n" + "".join(rows))
    return run


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_z_gives_the_chart_all_the_room_with_steps_marks_and_legend_x_and_l_change_how_it_looks(
    size: tuple[int, int], pictures: Path, tmp_path: Path
) -> None:
    run = with_table(past_run(recipe(pictures), tmp_path / "home", steps_done=3000), 3000)
    async with TinvApp(run=run).run_test(size=size) as pilot:
        workbench = await ready(pilot)
        await until(pilot, lambda: "3 000/5 000" in workbench.loss.text.plain)
        await pilot.press("z")
        await until(pilot, lambda: "◆ new rate" in screen_text(pilot.app))
        rows = workbench.loss.text.plain.splitlines()
        assert len(rows) == workbench.loss.text.size.height
        assert any(row.split()[0] == "1" and row.endswith("3 000") for row in rows if row.strip())
        assert workbench.loss.frame[1] == ""
        await pilot.press("x")
        assert workbench.loss.frame[1] == "last 1 000"
        assert "2 001" in workbench.loss.text.plain
        assert "◆" not in workbench.loss.text.plain
        highest = rows[1].split()[0]
        await pilot.press("x", "l")
        assert workbench.loss.frame[1] == "last 100 · log scale"
        assert "2 901" in workbench.loss.text.plain
        assert workbench.loss.text.plain.splitlines()[1].split()[0] != highest
        await pilot.press("x", "l")
        assert workbench.loss.frame[1] == ""
        await pilot.press("z")
        await until(pilot, lambda: "◆ new rate" not in screen_text(pilot.app))


async def test_x_and_l_are_letters_in_a_field(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        workbench.form.control("embedding.name").focus()
        await pilot.press("end", "x", "l")
        assert workbench.form.texts["embedding.name"] == "zorkxl"
        assert workbench.loss.frame[1] == ""


async def test_a_paused_run_tells_no_time_left(pictures: Path, tmp_path: Path) -> None:
    run = past_run(recipe(pictures), tmp_path / "home")
    async with TinvApp(run=run).run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        await until(pilot, lambda: "300/5 000" in workbench.loss.text.plain)
        ended = pilot.app.control.now  # type: ignore[attr-defined]
        going = dataclasses.replace(ended, state="running", view=dataclasses.replace(ended.view, ended=None))
        workbench.loss.show(going)
        assert "eta 4m" in workbench.loss.text.plain
        workbench.loss.show(dataclasses.replace(going, state="paused"))
        assert "eta –" in workbench.loss.text.plain
        assert "◐ paused" in workbench.loss.frame[0]


async def test_a_large_chart_is_not_sent_every_second_but_its_numbers_are(pictures: Path, tmp_path: Path) -> None:
    run = with_table(past_run(recipe(pictures), tmp_path / "home", steps_done=3000), 3000)
    async with TinvApp(run=run).run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        await until(pilot, lambda: "◆" in workbench.loss.text.plain)
        await pilot.press("z")
        await until(pilot, lambda: "◆ new rate" in screen_text(pilot.app))
        before, now = workbench.loss.text.lines, pilot.app.control.now  # type: ignore[attr-defined]
        later = dataclasses.replace(now.view, loss=0.7777, curve=now.view.curve[: len(now.view.curve) // 2])
        workbench.loss.show(dataclasses.replace(now, view=later))
        after = workbench.loss.text.lines
        assert "0.7777" in workbench.loss.text.plain
        changed = [row for row in range(len(before)) if before[row] != after[row]]
        assert changed == [0]


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_a_lost_run_keeps_its_curve_below_what_is_wrong(
    size: tuple[int, int], pictures: Path, tmp_path: Path
) -> None:
    """Now it is wanted most: was it worth going on with?"""
    run = with_table(past_run(recipe(pictures), tmp_path / "home", state="running"), 300)
    status = read_status(run.status)
    assert status is not None
    write_status(run.status, dataclasses.replace(status, state="running", pid=2**22 + 1))
    told = [line for line in run.events.read_text().splitlines() if '"ended"' not in line]
    run.events.write_text("\n".join(told) + "\n")
    async with TinvApp(run=run).run_test(size=size) as pilot:
        loss = (await ready(pilot)).loss
        await until(pilot, lambda: "gone without a last" in " ".join(loss.text.plain.split()))
        assert "tinv-tui resume zork" in " ".join(loss.text.plain.split())
        assert "█" in loss.text.plain
        assert len(loss.text.plain.splitlines()) == loss.text.size.height


async def test_keys_that_only_a_worker_hears_go_from_the_foot_where_it_has_ended(
    pictures: Path, tmp_path: Path
) -> None:
    run = past_run(recipe(pictures), tmp_path / "home")
    status = read_status(run.status)
    assert status is not None
    write_status(run.status, dataclasses.replace(status, state="paused", released=True, pid=0))
    told = [line for line in run.events.read_text().splitlines() if '"ended"' not in line]
    run.events.write_text("\n".join(told) + "\n")
    app = TinvApp(run=run)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        await until(pilot, lambda: "memory given back" in screen_text(app))
        foot = screen_text(app).splitlines()[-1]
        assert "p go on" in foot
        for label in ("preview", "save", "change", "stop"):
            assert label not in foot
        await pilot.press("v", "c")
        await until(pilot, lambda: "takes no commands: p goes on" in app.control.notes[-1].text)
