"""Panes that are folded: the form by itself while a run is on, each of them by key."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual.geometry import Size
from textual.pilot import Pilot

from tests.ui.support import NARROW, WIDE, past_run, ready, recipe, screen_text, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.workbench import Workbench
from tinv_tui.app.watcher import RunNow
from tinv_tui.runs.folder import RunFolder, all_runs
from tinv_tui.runs.history import RunView
from tinv_tui.runs.liveness import RunState


def framed(pilot: Pilot[None], pane: str) -> Size:
    """Width and height of a pane on the screen."""
    return pilot.app.screen.query_one(f"#{pane}").outer_size


async def at_the_loss(pilot: Pilot[None]) -> Workbench:
    """The workbench, with the focus out of the form."""
    bench = await ready(pilot)
    bench.loss.focus()
    await pilot.pause()
    return bench


@pytest.fixture
def app(pictures: Path, tmp_path: Path) -> TinvApp:
    past_run(recipe(pictures, training__batch_size=3, dataset__flip=True), tmp_path / "home")
    return TinvApp(recipe(pictures))


def show(bench: Workbench, pictures: Path, state: RunState, run: RunFolder | None = None) -> None:
    """A run in this state, as a look at its folder would have found it."""
    wanted = recipe(pictures, training__batch_size=3, dataset__flip=True)
    bench.app.control.now = RunNow(run or all_runs()[0], state, None, RunView(), wanted)
    bench.show_run(bench.app.control.now)


async def test_the_form_folds_while_a_run_is_on_to_what_the_run_trains_and_is_whole_again_after(
    app: TinvApp, pictures: Path
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        bench = await at_the_loss(pilot)
        show(bench, pictures, "running")
        await pilot.pause()
        text = screen_text(app)
        assert "Learn a" not in text
        for told in ("zork trains", "Embedding zork", "Batch     3", "mirror at random yes", "enter opens the form"):
            assert told in text
        assert framed(pilot, "form-pane")[0] == 28

        show(bench, pictures, "finished")
        await pilot.pause()
        assert "Learn a" in screen_text(app)
        assert framed(pilot, "form-pane")[0] == 47


async def test_a_run_that_ends_has_the_form_checked_anew_as_it_tells_how_long_such_a_run_takes(
    app: TinvApp, pictures: Path
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        bench = await ready(pilot)
        show(bench, pictures, "running")
        before = bench.form.checked
        await until(pilot, lambda: bench.form.checked is not before)
        show(bench, pictures, "running")
        show(bench, pictures, "finished")
        at_the_end = bench.form.checked
        await until(pilot, lambda: bench.form.checked is not at_the_end)


async def test_it_does_not_fold_under_the_hands_of_one_who_fills_it_in(app: TinvApp, pictures: Path) -> None:
    async with app.run_test(size=WIDE) as pilot:
        bench = await ready(pilot)
        bench.form.control("training.steps").focus()
        await pilot.pause()
        show(bench, pictures, "running")
        await pilot.pause()
        assert "Learn a" in screen_text(app)
        await pilot.press("escape")  # out of the form
        show(bench, pictures, "running")
        await pilot.pause()
        assert "Learn a" not in screen_text(app)


async def test_enter_opens_the_folded_form_and_it_stays_open_for_this_run(app: TinvApp, pictures: Path) -> None:
    async with app.run_test(size=WIDE) as pilot:
        bench = await ready(pilot)
        bench.log_pane.focus()
        await pilot.pause()
        show(bench, pictures, "running")
        await pilot.press("ctrl+g")
        await pilot.pause()
        assert bench.focused is bench.form_pane
        assert "enter open the form" in screen_text(app).splitlines()[-1]
        await pilot.press("enter")
        await until(pilot, lambda: bench.focused is bench.form.control("embedding.name"))
        await pilot.press("ctrl+g", "ctrl+g")
        show(bench, pictures, "running")
        await pilot.pause()
        assert "Learn a" in screen_text(app)

        bench.form.control("embedding.name").focus()
        await pilot.pause()
        await pilot.press("escape")  # left: it folds again
        show(bench, pictures, "running")
        await pilot.pause()
        assert "Learn a" not in screen_text(app)


async def test_a_form_that_was_opened_beside_one_run_folds_for_the_next(app: TinvApp, pictures: Path) -> None:
    async with app.run_test(size=WIDE) as pilot:
        bench = await at_the_loss(pilot)
        for run in (all_runs()[0], RunFolder(Path("another"))):
            show(bench, pictures, "running", run)
            await until(pilot, lambda: not bench.form.region)
            bench.form_pane.focus()
            await pilot.press("enter")
            await until(pilot, lambda: bench.focused is bench.form.control("embedding.name"))
            bench.loss.focus()
            await pilot.pause()


async def test_enter_in_the_whole_form_belongs_to_its_fields(app: TinvApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        bench = await ready(pilot)
        choice = bench.form.control("dataset.latent_sampling")
        choice.focus()
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert bench.focused is choice


async def test_a_look_at_another_window_folds_nothing(app: TinvApp, pictures: Path) -> None:
    async with app.run_test(size=WIDE) as pilot:
        bench = await ready(pilot)
        steps = bench.form.control("training.steps")
        steps.focus()
        await pilot.pause()
        show(bench, pictures, "running")
        app.post_message(events.AppBlur())
        await until(pilot, lambda: bench.focused is None)
        show(bench, pictures, "running")
        await pilot.pause()
        assert bench.form.region
        app.post_message(events.AppFocus())
        await until(pilot, lambda: bench.focused is steps)


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_what_leads_to_a_field_shows_the_form_also_behind_a_tab_and_beside_a_pane_alone(
    size: tuple[int, int], app: TinvApp
) -> None:
    async with app.run_test(size=size) as pilot:
        bench = await ready(pilot)
        bench.form.put("training.steps", "many")
        steps = bench.form.control("training.steps")
        for key in ("ctrl+r", "ctrl+s"):
            bench.open_tab("loss")
            bench.loss.focus()
            await pilot.pause()
            if size == WIDE:
                await pilot.press("z")
                await until(pilot, lambda: not bench.form.region)
            await pilot.press(key)
            await until(pilot, lambda: bench.focused is steps and bool(steps.region))


async def test_what_works_with_the_form_brings_it_into_sight(app: TinvApp, pictures: Path) -> None:
    async with app.run_test(size=WIDE) as pilot:
        bench = await at_the_loss(pilot)
        for key in ("a", "d", "n", "ctrl+r", "slash"):
            show(bench, pictures, "finished")
            show(bench, pictures, "running")
            await until(pilot, lambda: not bench.form.region)
            await pilot.press(key)
            await until(pilot, lambda: bool(bench.form.region))
            if key in ("a", "d", "n"):  # a dialog comes
                await until(pilot, lambda: app.screen is not bench)
                await pilot.press("escape")
        await until(pilot, lambda: getattr(bench.focused, "id", None) == "form-find")


async def test_a_pane_whose_tab_was_left_hears_no_keys(app: TinvApp) -> None:
    async with app.run_test(size=NARROW) as pilot:
        bench = await ready(pilot)
        for tab, pane in (("loss", bench.preview), ("loss", bench.loss), ("log", bench.log_pane)):
            bench.open_tab(tab)
            pane.focus()
            await until(pilot, lambda pane=pane: bench.focused is pane and bool(pane.region))
            await pilot.press("ctrl+r")  # to the form, in which nothing is wrong
            await until(pilot, lambda: bench.focused is bench.tab_line)
            assert bench.form.region


async def test_a_start_that_is_refused_opens_the_folded_form_at_the_field_that_is_wrong(
    app: TinvApp, pictures: Path
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        bench = await ready(pilot)
        bench.form.put("training.steps", "many")
        bench.loss.focus()
        await pilot.pause()
        show(bench, pictures, "running")
        await pilot.pause()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: bench.focused is bench.form.control("training.steps"))
        assert bench.form.region


async def test_each_pane_folds_by_key_to_a_line_that_still_tells_it_and_gives_its_room_to_the_others(
    app: TinvApp, pictures: Path
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        bench = await ready(pilot)
        await until(pilot, lambda: app.machine_now is not None and "cpu" in bench.gpu.text.plain)
        bench.preview.focus()
        await pilot.press("minus")
        await pilot.pause()
        assert framed(pilot, "preview-pane")[1] == 3
        assert "no preview yet" in screen_text(app)
        await pilot.press("minus")
        for pane, other in (("log-pane", "form-pane"), ("gpu-pane", "preview-pane"), ("loss-pane", "preview-pane")):
            bench.query_one(f"#{pane}").focus()
            await pilot.pause()
            height, others = framed(pilot, pane)[1], framed(pilot, other)[1]
            await pilot.press("minus")
            await pilot.pause()
            assert framed(pilot, pane)[1] == 3
            assert framed(pilot, other)[1] == others + height - 3
        assert "cpu" in bench.gpu.text.plain
        assert len(bench.gpu.text.lines) == 1
        assert "no run is watched" in bench.loss.text.plain
        await pilot.press("minus")
        await pilot.pause()
        assert framed(pilot, "loss-pane")[1] > 3

        bench.dataset.pictures.focus()
        width = framed(pilot, "loss-pane")[0]
        await pilot.press("minus")
        await pilot.pause()
        assert framed(pilot, "dataset-pane")[0] == 24
        assert framed(pilot, "loss-pane")[0] > width
        assert "001.png" in screen_text(app)

        bench.form.control("dataset.flip").focus()  # letters are keys there
        await pilot.press("minus")
        await until(pilot, lambda: "the form says" in screen_text(app) and bench.focused is bench.form_pane)


async def test_the_folded_loss_is_a_sparkline_with_how_far_the_run_is(pictures: Path, tmp_path: Path) -> None:
    run = past_run(recipe(pictures), tmp_path / "home")
    async with TinvApp(run=run).run_test(size=WIDE) as pilot:
        bench = await ready(pilot)
        await until(pilot, lambda: "smooth" in bench.loss.text.plain)
        await pilot.press("minus")
        await until(pilot, lambda: len(bench.loss.text.lines) == 1)
        line = bench.loss.text.plain
        assert line.split()[0].startswith("0.")
        assert "▁" in line
        assert "█" in line
        assert "6%" in line  # 300 of 5,000 steps


async def test_a_pane_alone_is_whole_and_behind_tabs_only_those_fold_that_share_a_tab(
    app: TinvApp, pictures: Path
) -> None:
    async with app.run_test(size=WIDE) as pilot:
        bench = await ready(pilot)
        bench.loss.focus()
        await pilot.press("minus")
        await pilot.press("z")
        await pilot.pause()
        assert framed(pilot, "loss-pane")[1] > 20
        await pilot.press("z")
        await pilot.pause()
        assert framed(pilot, "loss-pane")[1] == 3

        show(bench, pictures, "running")
        await pilot.resize_terminal(*NARROW)
        await pilot.pause()
        bench.open_tab("form")
        await pilot.pause()
        assert "Learn a" in screen_text(app)
        bench.open_tab("loss")
        await pilot.pause()
        loss, log = framed(pilot, "loss-pane")[1], framed(pilot, "log-pane")[1]
        bench.log_pane.focus()
        await pilot.press("minus")
        await pilot.pause()
        assert framed(pilot, "log-pane")[1] == 3
        assert framed(pilot, "loss-pane")[1] == loss + log - 3
        await pilot.resize_terminal(*WIDE)
        await pilot.pause()
        assert "zork trains" in screen_text(app)
