"""A start where the device has no room for the run: what is asked, and what each answer does."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button

from tests.ui.support import NARROW, WIDE, ready, recipe, screen_text, until
from tinv_tui.app import checks
from tinv_tui.app.app import TinvApp
from tinv_tui.app.run_control import RunControl
from tinv_tui.app.screens.confirm import ConfirmScreen
from tinv_tui.models.bundled import picture_sets
from tinv_tui.recipe import Recipe
from tinv_tui.runs.memory import MemoryNeed
from tinv_tui.runs.neighbours import Neighbour
from tinv_tui.telemetry.room import Room

GIB = 2**30


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What runs were told to wait for, instead of starting them."""
    told = list[int]()

    async def start(_control: RunControl, _recipe: Recipe, wait_free_bytes: int = 0) -> None:
        told.append(wait_free_bytes)

    monkeypatch.setattr(RunControl, "start", start)
    return told


def takes(need_gib: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU of 8 GiB, of which another holds 5."""
    room = Room(True, "GPU 0 (RTX 3080)", 3 * GIB, 8 * GIB, "GPU-1")
    other = Neighbour(41, "ana", "my-cat", 5 * GIB, "/runs/my-cat")
    monkeypatch.setattr(checks, "memory_need", lambda *_: MemoryNeed(need_gib * GIB, 0, room, neighbours=(other,)))


async def press_start(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("ctrl+s")


async def is_asked(pilot: Pilot[Any]) -> list[str]:
    await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen) and bool(pilot.app.screen.query(Button)))
    return [str(button.label) for button in pilot.app.screen.query(Button)]


def app() -> TinvApp:
    return TinvApp(recipe=recipe(picture_sets()["chartreuse"]))


async def test_where_there_is_room_nothing_is_asked(started: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    takes(2, monkeypatch)
    async with app().run_test(size=NARROW) as pilot:
        await press_start(pilot)
        await until(pilot, lambda: started == [0])


async def test_where_another_holds_the_memory_the_run_can_wait_for_it(
    started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    takes(4, monkeypatch)
    async with app().run_test(size=NARROW) as pilot:
        await press_start(pilot)
        assert await is_asked(pilot) == ["Wait for room, then start", "Start anyway", "Cancel"]
        await until(pilot, lambda: "this run takes about 4.0G." in screen_text(pilot.app))
        assert "GPU 0 (RTX 3080) has 3.0G free" in screen_text(pilot.app)
        assert "my-cat (pid 41, ana) 5.0 GiB" in screen_text(pilot.app)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ConfirmScreen))
        assert started == []
        await pilot.press("ctrl+s")
        await is_asked(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: started == [4 * GIB])
        await pilot.press("ctrl+s")
        await is_asked(pilot)
        await pilot.press("down", "enter")
        await until(pilot, lambda: started == [4 * GIB, 0])


async def test_what_can_never_fit_is_not_waited_for(started: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    takes(9, monkeypatch)
    async with app().run_test(size=NARROW) as pilot:
        await press_start(pilot)
        assert await is_asked(pilot) == ["Start anyway", "Cancel"]
        await until(pilot, lambda: "It has 8.0G in all." in screen_text(pilot.app))
    assert started == []


async def test_who_trains_here_already_is_said_whole_and_what_has_no_room_at_the_foot_can_be_read_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    takes(4, monkeypatch)
    async with app().run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        said = "! trains here too: my-cat (pid 41, ana) 5.0 GiB; each takes longer"
        await until(pilot, lambda: said in " ".join(shown_at_the_foot(pilot)))
        await pilot.resize_terminal(*NARROW)
        box = workbench.form_pane.foot.query_one(".checks-box")
        await until(pilot, lambda: "5.0 GiB" in screen_text(pilot.app) and box.size.height > 0)
        assert not box.can_focus
        box.styles.max_height = 2
        workbench.form.check_soon(0.01)
        await until(pilot, lambda: box.can_focus)
        workbench.query_one("#check").focus()
        await pilot.press("shift+tab", "end")
        await until(pilot, lambda: box.scroll_y > 0)


def shown_at_the_foot(pilot: Pilot[Any]) -> list[str]:
    """The words of the form's column."""
    rows = [row.split("│")[1] for row in screen_text(pilot.app).splitlines() if row.count("│") > 2]
    return " ".join(rows).split()
