"""Each key of the table does what the table says it does, on each screen it belongs to. What that is, the stories show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ui.support import NARROW, ready, recipe, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.keys import KEYS
from tinv_tui.app.modes import MODES, ModeName


@pytest.mark.parametrize("mode", [mode.name for mode in MODES])
async def test_each_key_reaches_its_action(mode: ModeName, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = TinvApp(recipe(pictures))
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot)
        app.action_show(mode)
        await until(pilot, lambda: app.screen.id == mode)
        reached = list[str]()

        async def note(action: Any, *_: Any, **__: Any) -> bool:
            reached.append(str(action))
            return True

        monkeypatch.setattr(app, "run_action", note)
        missed = dict[str, list[str]]()
        for key in KEYS:
            if not key.works_in(mode):
                continue
            if key.pane is None:
                app.screen.set_focus(None)
            else:
                pane = app.screen.query_one(f"#{key.pane}")
                app.screen.set_focus(
                    pane if pane.can_focus else next(w for w in pane.walk_children() if w.can_focus and w.display)
                )
            await pilot.pause()
            for name in key.keys.split(","):
                reached.clear()
                await pilot.press(name)
                wanted = {key.action} | ({"choose"} if key.pane and name == "enter" else set())  # a list tells its pane
                if not wanted & set(reached):
                    missed[f"{key.id}: {name}"] = list(reached)
        monkeypatch.undo()
    assert missed == {}


def test_no_two_keys_of_a_screen_are_the_same() -> None:
    for mode in MODES:
        for pane in {key.pane for key in KEYS}:  # a pane may use a key of its screen for its own
            here = [key for key in KEYS if key.works_in(mode.name) and key.pane == pane]
            names = [name for key in here for name in key.keys.split(",")]
            assert len(set(names)) == len(names), (mode.name, pane)
    assert len({key.id for key in KEYS}) == len(KEYS)
