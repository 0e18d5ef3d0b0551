"""Paths in a form: completed while they are typed, and chosen by walking through folders."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Input

from tests.ui.support import NARROW, ready, recipe, screen_text, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.pick_path import PickPathScreen


async def test_the_rest_of_a_path_stands_behind_the_cursor_and_right_or_end_takes_it(pictures: Path) -> None:
    (pictures / "inner").mkdir()
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        form = (await ready(pilot)).form
        field = form.control("dataset.path")
        assert isinstance(field, Input)
        form.put("dataset.path", str(pictures.parent / "pi"))
        field.focus()
        await pilot.press("end", "c")
        await until(pilot, lambda: "→ pictures/" in screen_text(pilot.app))
        await pilot.press("right")
        assert field.value == f"{pictures}/"
        await until(pilot, lambda: "1 in it: inner/" in screen_text(pilot.app))
        await pilot.press("i")
        await until(pilot, lambda: "→ inner/" in screen_text(pilot.app))
        await pilot.press("end")
        assert field.value == f"{pictures}/inner/"
        await pilot.press("i", "tab")  # tab goes on, whatever stands behind the cursor
        assert not field.has_focus
        await until(pilot, lambda: "→ inner/" not in screen_text(pilot.app))


async def test_of_a_path_that_is_too_long_its_end_is_in_sight_and_all_of_it_where_one_types(pictures: Path) -> None:
    folder = pictures.joinpath(*["a folder within another"] * 5, "the last one")
    async with TinvApp(recipe(pictures, dataset__path=str(folder))).run_test(size=NARROW) as pilot:
        form = (await ready(pilot)).form
        field = form.control("dataset.path")
        assert isinstance(field, Input)
        form.control("embedding.name").focus()
        await until(pilot, lambda: "…/a folder within another/the last one" in screen_text(pilot.app))
        assert field.value == str(folder)
        field.focus()
        await pilot.press("home")
        await until(pilot, lambda: f"Dataset      {str(folder)[:30]}" in screen_text(pilot.app))


async def test_folders_are_walked_to_the_one_that_is_taken(pictures: Path) -> None:
    (pictures / "inner").mkdir()
    async with TinvApp(recipe(pictures, dataset__path=str(pictures / "inner"))).run_test(size=NARROW) as pilot:
        form = (await ready(pilot)).form
        form.control("dataset.path").focus()
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(pilot.app.screen, PickPathScreen))
        assert "bundled:" in screen_text(pilot.app)  # what was offered before stays first
        await pilot.press("end", "enter")
        await until(pilot, lambda: "nothing to take" in screen_text(pilot.app))
        await pilot.press("backspace")
        await until(pilot, lambda: "take this folder  4 pictures, 1 folder" in screen_text(pilot.app))
        await pilot.press("left")
        await until(pilot, lambda: "pictures/" in screen_text(pilot.app) and "4 pictures" in screen_text(pilot.app))
        await pilot.press("p", "i", "c", "enter")
        await until(pilot, lambda: "take this folder" in screen_text(pilot.app))
        await pilot.press("down", "up", "enter")
        await until(pilot, lambda: form.texts["dataset.path"] == str(pictures))
