"""The list of runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.support import NARROW, WIDE, past_run, ready, recipe, screen_text, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.workbench import Workbench


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_runs_are_listed_and_enter_shows_one(size: tuple[int, int], pictures: Path, tmp_path: Path) -> None:
    past_run(recipe(pictures), tmp_path / "home", state="failed", reason="the loss is not finite")
    past_run(recipe(pictures, embedding__name="plork"), tmp_path / "home")
    async with TinvApp(recipe(pictures)).run_test(size=size) as pilot:
        await ready(pilot)
        await pilot.press("f5")
        await until(pilot, lambda: "plork" in screen_text(pilot.app))
        text = screen_text(pilot.app)
        assert "✖ failed" in text
        assert "✔ finished" in text
        assert "300/5 000" in text
        await pilot.press("down")
        await until(pilot, lambda: "the loss is not finite" in screen_text(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Workbench))
        await until(pilot, lambda: "zork ✖ failed" in screen_text(pilot.app))


async def test_without_runs_it_says_so(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        await ready(pilot)
        await pilot.press("f5")
        await until(pilot, lambda: "none yet" in screen_text(pilot.app))
