"""Finding a field: the form narrowed to what is looked for, and all of it back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.support import NARROW, WIDE, ready, recipe, screen_text, until
from tinv_tui.app.app import TinvApp


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_words_narrow_the_form_and_escape_brings_all_fields_back(size: tuple[int, int], pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=size) as pilot:
        workbench = await ready(pilot)
        await pilot.press("escape", "slash", *"tensorb")
        await until(pilot, lambda: "1 found" in screen_text(pilot.app))
        assert "write for TensorBoard too" in screen_text(pilot.app)
        assert "Base model" not in screen_text(pilot.app)
        assert "for 1–" not in screen_text(pilot.app), "what is below a row goes with it"
        await pilot.press("down", "space", "escape")
        assert workbench.form.texts["saving.tensorboard"] == "true"
        await until(pilot, lambda: "Save state" in screen_text(pilot.app))  # what lies around the field is there again
        assert workbench.focused is workbench.form.control("saving.tensorboard")


async def test_enter_goes_to_the_field_that_is_called_so_before_those_whose_help_says_it(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        await pilot.press("ctrl+f", *"rate", "enter")
        await until(pilot, lambda: workbench.focused is workbench.form.control("training.learning_rate"))
        await pilot.press("escape")
        await until(pilot, lambda: "Base model" in screen_text(pilot.app))
        assert workbench.focused is workbench.form.control("training.learning_rate")
        await pilot.press("ctrl+f", *"steps", "enter")  # not "Its steps", which stands before it
        await until(pilot, lambda: workbench.focused is workbench.form.control("training.steps"))


async def test_it_opens_while_a_field_is_typed_in_and_goes_back_there(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        came_from = workbench.form.control("embedding.name")
        assert workbench.focused is came_from
        await pilot.press("ctrl+f", *"nothing like it")
        await until(pilot, lambda: "none  esc for all" in screen_text(pilot.app))
        await pilot.press("escape")
        assert workbench.focused is came_from
        await until(pilot, lambda: "Base model" in screen_text(pilot.app))
        assert workbench.form.texts["embedding.name"] == "zork"


async def test_an_error_comes_into_sight_though_its_field_was_not_looked_for(pictures: Path) -> None:
    async with TinvApp(recipe(pictures, dataset__path="")).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        await pilot.press("ctrl+f", *"tensorb", "ctrl+s")
        await until(pilot, lambda: workbench.focused is workbench.form.control("dataset.path"))
        assert "is required" in screen_text(pilot.app)
