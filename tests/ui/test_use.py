"""Picking a copy of the run on the screen, and making it the result."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.ui.support import NARROW, past_run, ready, recipe, screen_text, until
from tinv_tui import paths
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.confirm import ConfirmScreen
from tinv_tui.app.screens.pick import PickScreen
from tinv_tui.embeddings.files import Embedding, read_embedding, write_embedding


async def test_a_copy_is_picked_confirmed_and_used(pictures: Path) -> None:
    run = past_run(recipe(pictures), paths.home())
    app = TinvApp(run=run)
    result = paths.embeddings_folder() / "zork.safetensors"
    async with app.run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        await until(pilot, lambda: app.control.now is not None and workbench.focused is workbench.loss)
        await pilot.press("u")
        await until(pilot, lambda: any("no copy yet" in note.text for note in app.control.notes))
        run.path.rename(run.path.with_name("elsewhere"))
        await pilot.press("u", "C")
        await until(pilot, lambda: len([n for n in app.control.notes if "its folder is gone" in n.text]) == 2)
        run.path.with_name("elsewhere").rename(run.path)

        for step in (100, 200):
            rows = np.full((1, 64), step, dtype=np.float32)
            copy = Embedding(f"zork-{step}", {"emb_params": rows}, step)
            write_embedding(run.copies / f"zork-{step}.safetensors", copy)
        await pilot.press("u")
        await until(pilot, lambda: isinstance(app.screen, PickScreen) and "zork-100" in screen_text(app))
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert "Make step 100 of zork the result?" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is workbench)
        assert not result.exists()

        await pilot.press("u")
        await until(pilot, lambda: isinstance(app.screen, PickScreen))
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("enter")
        await until(pilot, lambda: result.exists() and any("step 100" in n.text for n in app.control.notes))
        assert read_embedding(result).step == 100
