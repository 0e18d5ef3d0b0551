"""The train screen at rest: its panes, its sizes, its keys."""

from __future__ import annotations

import asyncio
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import RenderableType
from textual._compositor import LayoutUpdate
from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from tests.ui.support import NARROW, WIDE, past_run, ready, recipe, screen_text, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.machine import Machine
from tinv_tui.app.screens.caption_editor import CaptionEditor
from tinv_tui.app.screens.confirm import ConfirmScreen
from tinv_tui.app.screens.help import HelpScreen

PANES = ("Train", "Dataset", "Loss", "GPU", "Newest preview", "Log")


async def test_all_panes_are_in_sight_at_120_by_36_and_fold_below_that(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        await ready(pilot)
        assert all(f"╭─ {pane}" in screen_text(pilot.app) for pane in PANES)
        assert "Learn&#160;a" in pilot.app.export_screenshot()
        await pilot.resize_terminal(*NARROW)
        await pilot.pause()
        assert "╭─ GPU" not in screen_text(pilot.app)
        await pilot.resize_terminal(*WIDE)
        await pilot.pause()
        assert all(f"╭─ {pane}" in screen_text(pilot.app) for pane in PANES)


def _another_way_to_begin(loop: asyncio.AbstractEventLoop, work: Any, **named: Any) -> asyncio.Task[Any]:
    return asyncio.Task(work, loop=loop, **named)


async def test_its_tasks_begin_in_turn_in_every_python_as_in_these_tests(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is there (Python 3.12), Textual has an app's tasks begin as they are made; never those of ``run_test``."""
    monkeypatch.setattr(asyncio, "eager_task_factory", _another_way_to_begin, raising=False)
    app, factories = TinvApp(recipe(pictures)), list[Any]()

    async def look(pilot: Pilot[Any]) -> None:
        await ready(pilot)
        factories.append(asyncio.get_running_loop().get_task_factory())
        app.exit()

    await app.run_async(headless=True, size=WIDE, auto_pilot=look)
    assert factories == [None]
    assert app.return_code == 0


def _shows(app: App[None], pane: str) -> bool:
    return f"╭─ {pane}" in screen_text(app)


async def test_where_one_works_stays_in_sight_when_panes_become_tabs(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        for pane, title in ((workbench.gpu, "GPU"), (workbench.dataset.query_one("#pictures"), "Dataset")):
            pane.focus()
            await pilot.pause()
            await pilot.resize_terminal(*NARROW)
            await until(pilot, partial(_shows, pilot.app, title))
            assert workbench.focused is pane
            await pilot.resize_terminal(*WIDE)
            await pilot.pause()
            await pilot.resize_terminal(60, 20)
            await until(pilot, lambda: workbench.has_class("-tiny"))
            await pilot.resize_terminal(*NARROW)
            await until(pilot, partial(_shows, pilot.app, title))
            await pilot.resize_terminal(*WIDE)
            await pilot.pause()


async def test_the_first_frame_has_the_panes_before_the_form_is_there() -> None:
    async with TinvApp().run_test(size=WIDE) as pilot:
        assert all(f"╭─ {pane}" in screen_text(pilot.app) for pane in PANES)


async def test_what_is_drawn_first_is_the_whole_screen_and_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual draws the first screen within a batch and does not show it, then parts of it, then all of it again."""
    drawn: list[tuple[type, int]] = []
    display = TinvApp._display

    def record(app: TinvApp, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if renderable is not None:
            drawn.append((type(renderable), app._batch_count))
        display(app, screen, renderable)

    monkeypatch.setattr(TinvApp, "_display", record)
    async with TinvApp().run_test(size=WIDE):
        assert drawn[0] == (LayoutUpdate, 0)
        assert all(within == 0 for _, within in drawn)


async def test_panes_fold_into_tabs_at_80_by_24_and_help_on_a_field_says_what_it_is_and_takes(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        seen = {}
        for tab in ("form", "dataset", "loss", "gpu", "log"):
            workbench.open_tab(tab)
            await pilot.pause()
            seen[tab] = screen_text(pilot.app)
        assert "Learn a" in seen["form"]
        assert "╭─ Dataset" not in seen["form"]
        assert "001.png" in seen["dataset"]
        assert all(f"╭─ {pane}" in seen["loss"] for pane in ("Loss", "Newest preview", "Log"))
        assert "cpu" in seen["gpu"]
        assert "╭─ Log" in seen["log"]

        workbench.open_tab("form")
        workbench.form.control("training.batch_size").focus()
        await pilot.press("f1")
        assert isinstance(pilot.app.screen, HelpScreen)
        text = screen_text(pilot.app)
        assert "Pictures per forward pass" in text
        assert "a whole number from 1 to 1024" in text
        assert "esc close" in text
        await pilot.press("escape")
        assert pilot.app.screen is workbench


async def test_a_dialog_answers_nothing_below_80_by_24_and_is_there_again_with_the_room(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        answers = list[str | None]()
        pilot.app.push_screen(ConfirmScreen("Stop?", "It is saved.", [("stop", "Stop and save")]), answers.append)
        await until(pilot, lambda: "Stop and save" in screen_text(pilot.app))
        await pilot.resize_terminal(40, 10)
        await until(pilot, lambda: pilot.app.screen.has_class("-tiny"))
        await pilot.press("enter", "escape", "down")
        await pilot.pause()
        assert not answers
        text = screen_text(pilot.app)
        assert "Stop" not in text
        assert "needs 80×24" in "".join(line.strip() for line in text.splitlines())
        await pilot.resize_terminal(*NARROW)
        await until(pilot, lambda: "Stop and save" in screen_text(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is workbench)
        assert answers == ["stop"]


async def test_below_80_by_24_one_polite_line_and_no_key_does_what_nobody_sees(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        name = workbench.form.control("embedding.name")
        await pilot.resize_terminal(70, 20)
        await until(pilot, lambda: workbench.has_class("-tiny"))
        await pilot.press("a", "x", "ctrl+s")
        await pilot.pause()
        assert pilot.app.screen is workbench
        text = screen_text(pilot.app)
        assert "needs 80×24; this terminal is 70×20" in text
        assert "╭" not in text
        await pilot.resize_terminal(*NARROW)
        await until(pilot, lambda: workbench.focused is name)
        assert workbench.form.texts["embedding.name"] == "zork"
        assert pilot.app.control.now is None  # type: ignore[attr-defined]


async def test_the_gpu_pane_says_plainly_that_there_is_none(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        await until(pilot, lambda: "ram" in workbench.gpu.text.plain)
        if pilot.app.machine_now.gpu.gpus:  # type: ignore[attr-defined]
            pytest.skip("this machine has an NVIDIA GPU")
        assert "NVIDIA" in workbench.gpu.text.plain
        assert all(word in workbench.gpu.text.plain for word in ("cpu", "ram", "disk"))


async def test_the_gpu_pane_with_room_draws_the_machine_over_time(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        workbench.open_tab("gpu")
        await until(pilot, lambda: "cpu " in workbench.gpu.text.plain and "worker –" in workbench.gpu.text.plain)
        ram = next(row for row in workbench.gpu.text.plain.splitlines() if row.startswith("ram"))
        assert ram[-1] in "▁▂▃▄▅▆▇█"


async def test_the_dataset_pane_shows_sizes_captions_picture_and_prompt(pictures: Path) -> None:
    async with TinvApp(recipe(pictures, dataset__template="subject_filewords")).run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        rows = workbench.dataset.pictures.plain.splitlines()
        assert "64²" in rows[0]
        assert "✔ caption" in rows[0]
        assert "no caption" in rows[1]
        assert "96×64" in rows[2]
        assert "empty file" in rows[3]
        await until(pilot, lambda: workbench.dataset.picture.is_drawn)
        assert "a red thing on a table" in workbench.dataset.caption.plain
        assert "of 75 tokens" in workbench.dataset.caption.plain
        workbench.dataset.pictures.focus()
        await pilot.press("down", "down")
        assert "a blue thing" in workbench.dataset.caption.plain
        assert "zork" in workbench.dataset.caption.plain


@pytest.mark.parametrize(
    ("size", "behind_the_loss"),
    [
        pytest.param(WIDE, ("gpu-pane", "preview-pane"), id="as they lie"),
        pytest.param(NARROW, ("preview-pane", "gpu-pane"), id="tab by tab"),
    ],
)
async def test_ctrl_g_walks_through_all_panes_and_each_hears_the_keys(
    size: tuple[int, int], behind_the_loss: tuple[str, str], pictures: Path
) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=size) as pilot:
        workbench = await ready(pilot)
        await until(pilot, lambda: isinstance(workbench.focused, Input))
        for pane in ("dataset-pane", "loss-pane", *behind_the_loss, "log-pane", "form-pane", "dataset-pane"):
            await pilot.press("ctrl+g")
            await until(pilot, lambda pane=pane: workbench.pane_in_focus() == pane)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, CaptionEditor))


async def test_ctrl_g_goes_on_from_the_tab_whose_form_was_left(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        await until(pilot, lambda: isinstance(workbench.focused, Input))
        await pilot.press("escape", "ctrl+g")
        await until(pilot, lambda: workbench.pane_in_focus() == "dataset-pane")


async def test_z_shows_one_pane_alone_and_letters_are_keys_but_in_a_field(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        await until(pilot, lambda: isinstance(workbench.focused, Input))
        await pilot.press("ctrl+g", "z")
        await pilot.pause()
        text = screen_text(pilot.app)
        assert "╭─ Dataset" in text
        assert "╭─ Log" not in text
        await pilot.press("z")
        await pilot.pause()
        assert "╭─ Log" in screen_text(pilot.app)

        workbench.form.control("embedding.name").focus()
        await pilot.press("end", "q", "4")
        assert workbench.form.texts["embedding.name"] == "zorkq4"  # letters are text in a field, and keys elsewhere
        await pilot.press("escape", "4")
        await pilot.pause()
        assert pilot.app.screen.id == "runs"


async def test_without_a_recipe_the_form_says_what_the_newest_run_did(pictures: Path, tmp_path: Path) -> None:
    past_run(recipe(pictures, training__batch_size=3), tmp_path / "home")
    async with TinvApp().run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        assert workbench.form.texts["training.batch_size"] == "3"
        assert pilot.app.control.run is None  # type: ignore[attr-defined]


async def test_a_failed_run_shows_its_reason_and_what_to_do(pictures: Path, tmp_path: Path) -> None:
    run = past_run(recipe(pictures), tmp_path / "home", state="failed", reason="the loss is not finite at step 300")
    async with TinvApp(run=run).run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        await until(pilot, lambda: "✖ failed" in workbench.loss.frame[0])
        assert "the loss is not finite at step 300" in " ".join(workbench.loss.text.plain.split())
        assert "Lower the rate." in workbench.loss.text.plain


async def test_a_lost_run_is_said_to_be_lost(pictures: Path, tmp_path: Path) -> None:
    run = past_run(recipe(pictures), tmp_path / "home", state="running")
    async with TinvApp(run=run).run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        await until(pilot, lambda: "? lost" in workbench.loss.frame[0])
        assert "tinv-tui resume zork" in " ".join(workbench.loss.text.plain.split())


async def test_a_run_that_ended_shows_its_curve_and_numbers_and_is_said_to_be_gone_when_its_folder_is(
    pictures: Path, tmp_path: Path
) -> None:
    run = past_run(recipe(pictures, training__steps=300), tmp_path / "home")
    async with TinvApp(run=run).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        await until(pilot, lambda: "300/300" in workbench.loss.text.plain)
        text = workbench.loss.text.plain
        assert "best 0.1081 @ 200" in text
        assert "100%" in text
        assert "█" in text
        assert "norm 0.41  grad 0.0123" in text
        await pilot.resize_terminal(*WIDE)
        await until(pilot, lambda: "100%  grad 0.0123" in workbench.loss.text.plain)
        shutil.rmtree(run.path)
        await until(pilot, lambda: "its folder is gone" in workbench.loss.text.plain)


async def test_the_form_is_there_also_for_those_who_look_at_another_screen_first(pictures: Path) -> None:
    app = TinvApp(recipe(pictures))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: app.train_form is not None)
        assert app.screen is not app.get_screen_stack("train")[0]
        await pilot.press("f2")
        workbench = await ready(pilot)
        assert workbench.form.texts["embedding.name"] == "zork"


async def test_the_load_of_the_apps_own_start_is_soon_followed_by_the_machines(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[tuple[int, ...]] = []
    look = Machine.look
    monkeypatch.setattr(Machine, "look", lambda self, pids=(): looks.append(pids) or look(self, pids))
    monkeypatch.setattr("tinv_tui.app.app._LIVE_LOOK_SECONDS", 0.05)
    monkeypatch.setattr("tinv_tui.app.app._IDLE_LOOK_SECONDS", 600.0)
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        await until(pilot, lambda: len(looks) >= 4)
        await pilot.pause(0.5)
        assert len(looks) == 4  # and then as seldom as where no run is on
