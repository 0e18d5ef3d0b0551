"""The first run: three ways on, each one key away, and later none of them in the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.ui.support import NARROW, WIDE, has_help, past_run, past_welcome, ready, recipe, screen_text, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.confirm import ConfirmScreen
from tinv_tui.app.screens.welcome import WelcomeScreen
from tinv_tui.app.screens.workbench import Workbench
from tinv_tui.app.widgets.form_pane import FormPane
from tinv_tui.runs.folder import all_runs


def shows(pilot: Pilot[Any], words: str) -> Callable[[], bool]:
    return lambda: words in screen_text(pilot.app)


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_an_empty_home_is_met_with_three_ways_on_and_escape_is_the_form(size: tuple[int, int]) -> None:
    async with TinvApp().run_test(size=size) as pilot:
        bench = await ready(pilot)
        await until(pilot, lambda: isinstance(pilot.app.screen, WelcomeScreen))
        text = screen_text(pilot.app)
        assert all(words in text for words in ("d  see the demo", "o  open a folder", "r  pick up a run"))
        for key in ("?", "f1"):
            await has_help(pilot, key, "Three ways to begin")
        await past_welcome(pilot)
        await pilot.press("a")
        assert bench.form.texts["embedding.name"] == "a"


async def test_d_fills_the_form_in_for_the_demo_and_starts_it_after_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    started = list[str]()
    monkeypatch.setattr(FormPane, "start_now", lambda self: started.append(self.form.texts["embedding.name"]))
    async with TinvApp().run_test(size=NARROW) as pilot:
        await ready(pilot)
        await until(pilot, lambda: isinstance(pilot.app.screen, WelcomeScreen))
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert not started
        await pilot.press("enter")
        await until(pilot, lambda: started == ["chartreuse"])


async def test_o_takes_a_folder_of_pictures_into_the_form(pictures: Path) -> None:
    async with TinvApp().run_test(size=NARROW) as pilot:
        bench = await ready(pilot)
        await until(pilot, lambda: isinstance(pilot.app.screen, WelcomeScreen))
        await pilot.press("o")
        await until(pilot, shows(pilot, "A folder of pictures"))
        await pilot.press(*str(pictures), "enter")
        await until(pilot, lambda: bench.form.texts["dataset.path"] == str(pictures))


@pytest.mark.parametrize("is_run", [True, False])
async def test_r_shows_a_run_of_another_folder_or_lists_all_that_are_there(
    is_run: bool, pictures: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "b"
    run = past_run(recipe(pictures), elsewhere)
    async with TinvApp().run_test(size=NARROW) as pilot:
        await ready(pilot)
        await until(pilot, lambda: isinstance(pilot.app.screen, WelcomeScreen))
        await pilot.press("down", "down", "enter")
        await until(pilot, shows(pilot, "one that holds runs"))
        await pilot.press(*str(run.path if is_run else elsewhere), "enter")
        await until(pilot, shows(pilot, "zork ✔ finished" if is_run else "✔ finished"))
        assert isinstance(pilot.app.screen, Workbench) == is_run
        assert all_runs() == ([] if is_run else [run])


async def test_where_there_is_a_run_or_settings_the_form_is_there_at_once(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "settings.toml").touch()
    async with TinvApp().run_test(size=NARROW) as pilot:
        bench = await ready(pilot)
        await until(pilot, lambda: bench.focused is not None)
        await pilot.pause(0.2)
        assert pilot.app.screen is bench


async def test_empty_lists_say_what_to_do() -> None:
    async with TinvApp().run_test(size=WIDE) as pilot:
        await past_welcome(pilot)
        assert "ctrl+o there lists some," in screen_text(pilot.app)
        assert "fill in the form, then ctrl+s" in screen_text(pilot.app)
        await pilot.press("f5")
        await until(pilot, shows(pilot, "1 goes to the form, ctrl+s starts a run there"))
        await pilot.press("f6")
        await until(pilot, shows(pilot, "every run leaves its own here; 2 makes one to train"))
