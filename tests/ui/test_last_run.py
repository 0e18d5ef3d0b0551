"""The form beside the runs before: what has changed since the last one, and values used earlier."""

from __future__ import annotations

from pathlib import Path

from tests.ui.support import NARROW, past_run, ready, recipe, screen_text, until
from tinv_tui import paths
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.changed import ChangedScreen
from tinv_tui.app.screens.pick import PickScreen


async def test_the_frame_counts_what_has_changed_and_a_key_lists_it_and_puts_it_back(pictures: Path) -> None:
    past_run(recipe(pictures, training__learning_rate="0.001", training__batch_size=2), paths.home())
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        await until(pilot, lambda: "2 fields changed since last run" in screen_text(pilot.app))
        await pilot.press("escape", "n")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChangedScreen))
        await until(pilot, lambda: "Rate  0.001 → 0.005" in screen_text(pilot.app))
        assert "Batch  2 → 1" in screen_text(pilot.app)
        await pilot.press("down", "enter")
        await until(pilot, lambda: workbench.form.texts["training.batch_size"] == "2")
        assert workbench.focused is workbench.form.control("training.batch_size")
        await until(pilot, lambda: "1 field changed since last run" in screen_text(pilot.app))
        await pilot.press("ctrl+z")
        assert workbench.form.texts["training.batch_size"] == "1"


async def test_without_a_run_before_the_key_says_so(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        await pilot.press("escape", "n")
        await until(pilot, lambda: bool(workbench.app.control.notes))
        assert "no run yet" in workbench.app.control.notes[-1].text
        assert "last run" not in screen_text(pilot.app)


async def test_a_text_field_offers_what_earlier_runs_had_there(pictures: Path) -> None:
    past_run(recipe(pictures, training__learning_rate="0.001", preview__prompts=["a zork at sea"]), paths.home())
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        form = workbench.form
        for key, moves, value in (
            ("training.learning_rate", [], "0.001"),
            ("preview.prompts", ["down"], "a zork at sea"),
        ):
            form.control(key).focus()
            await pilot.press("ctrl+o")
            await until(pilot, lambda: isinstance(pilot.app.screen, PickScreen))
            await until(pilot, lambda: "used by zork" in screen_text(pilot.app))
            await pilot.press(*moves, "enter")
            await until(pilot, lambda: pilot.app.screen is workbench)
            assert form.texts[key] == value
