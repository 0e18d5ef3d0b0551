"""Paths in a form: completed while they are typed, and chosen by walking through folders."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Input

from tests.ui.support import NARROW, ready, recipe, screen_text, until
from tinv_tui.app.app import TinvApp


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
