"""A real run, steered by keys from the first to the last."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.support import WIDE, ready, recipe, screen_text, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.run_control import RunControl
from tinv_tui.app.screens.ask_value import AskValueScreen
from tinv_tui.app.screens.confirm import ConfirmScreen
from tinv_tui.app.screens.pick import PickScreen


async def test_start_preview_save_pause_change_stop(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = TinvApp(recipe(pictures))
    rung = list[int]()
    monkeypatch.setattr(app, "bell", lambda: rung.append(_step(app.control)))
    async with app.run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: _step(app.control) > 3)
        assert workbench.focused is workbench.loss

        await pilot.press("v", "w")
        await until(pilot, lambda: workbench.preview.picture.is_drawn and _said(app.control, "saved step"))
        assert app.control.now is not None
        assert str(app.control.now.view.previews[-1].path).startswith(str(app.control.now.folder.images))

        await pilot.press("p")
        await until(pilot, lambda: _state(app.control) == "paused")
        assert "◐ paused" in workbench.loss.frame[0]
        paused_at = _step(app.control)
        await pilot.press("p")
        await until(pilot, lambda: _step(app.control) > paused_at)

        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, PickScreen) and "training.steps" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, AskValueScreen) and "✔ 0.005 for" in screen_text(app))
        await pilot.press(*"0.001:1, 5")  # the first lies behind
        await until(pilot, lambda: "! 5 for" in screen_text(app) and "usually destroy" in screen_text(app))
        assert "0.001 for" not in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is workbench)

        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, PickScreen) and "training.steps" in screen_text(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, AskValueScreen) and "5000" in screen_text(app))
        await pilot.press("1")  # in place of what stood there
        await until(pilot, lambda: "the run is at step" in screen_text(app))
        await pilot.press("enter")
        assert isinstance(app.screen, AskValueScreen)
        await pilot.press(*"0000", "enter")
        await until(pilot, lambda: app.control.now is not None and app.control.now.view.steps == 10000)

        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is workbench)
        assert _state(app.control) == "running"
        assert len(rung) == 1  # a value that could not be taken
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("enter")
        await until(pilot, lambda: _state(app.control) == "stopped")
        assert len(rung) == 2
        assert app.control.now.view.loss is not None
        assert "stopping at step" in workbench.log_pane.text.plain or _said(app.control, "stopping at step")


@pytest.mark.long
async def test_a_run_gives_its_memory_back_and_goes_on_in_another_worker(pictures: Path) -> None:
    app = TinvApp(recipe(pictures))
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: _step(app.control) > 3)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("enter")
        await until(pilot, lambda: "its memory is given back" in screen_text(app))
        released_at = _step(app.control)
        await pilot.press("p")
        await until(pilot, lambda: _step(app.control) > released_at)
        app.control.tell("stop", save=False)
        await until(pilot, lambda: _state(app.control) == "stopped")


def _state(control: RunControl) -> str:
    return control.now.state if control.now is not None else ""


def _step(control: RunControl) -> int:
    return control.now.view.step if control.now is not None else 0


def _said(control: RunControl, words: str) -> bool:
    return control.now is not None and any(words in line.text for line in control.now.view.log)
