"""Keys that come at once, as a slow link delivers them: each finds what those before it have done."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.events import Key, Paste
from textual.pilot import Pilot
from textual.widgets import Input

from tests.ui.support import NARROW, WIDE, past_run, ready, recipe, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.workbench import Workbench

FIND = "#form-find"


def type_at_once(app: TinvApp, *keys: str) -> None:
    for key in keys:
        app.post_message(Key(key, {"slash": "/", "space": " "}.get(key, key if len(key) == 1 else None)))


async def in_the_log(pilot: Pilot[None]) -> Workbench:
    bench = await ready(pilot)
    bench.open_tab("log")
    bench.log_pane.focus()
    await until(pilot, lambda: bench.focused is bench.log_pane and bool(bench.log_pane.region))
    return bench


@pytest.fixture
def app(pictures: Path, tmp_path: Path) -> TinvApp:
    past_run(recipe(pictures), tmp_path / "home")
    return TinvApp(recipe(pictures))


@pytest.mark.parametrize("size", [WIDE, NARROW])
@pytest.mark.parametrize("find", ["slash", "ctrl+f"])
async def test_a_field_is_looked_for_in_one_burst_wherever_one_is(
    app: TinvApp, size: tuple[int, int], find: str
) -> None:
    async with app.run_test(size=size) as pilot:
        bench = await in_the_log(pilot)
        type_at_once(app, find, *"learning", "space", *"rate")
        await until(pilot, lambda: bench.query_one(FIND, Input).value == "learning rate")
        assert app.screen is bench
        await until(pilot, lambda: bool(bench.query_one(FIND).region))
        assert bench.focused is bench.query_one(FIND)


async def test_a_field_is_found_and_filled_in_in_one_burst(app: TinvApp) -> None:
    async with app.run_test(size=NARROW) as pilot:
        bench = await in_the_log(pilot)
        type_at_once(app, "slash", *"tensorboard", "enter", "space", "escape", "slash", *"steps", "enter", "end", *"00")
        await until(pilot, lambda: bench.form.texts["training.steps"] == "500000")
        assert bench.form.texts["saving.tensorboard"] == "true"


async def test_what_is_pasted_behind_a_key_goes_where_the_key_has_gone(app: TinvApp) -> None:
    async with app.run_test(size=NARROW) as pilot:
        bench = await in_the_log(pilot)
        type_at_once(app, "slash")
        app.post_message(Paste("steps"))
        type_at_once(app, "s")
        await until(pilot, lambda: bench.query_one(FIND, Input).value == "stepss")
