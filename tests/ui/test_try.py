"""The try key: a finished embedding is drawn with, beside the same prompt and seed without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.ui.support import NARROW, WIDE, has_help, past_run, ready, recipe, screen_text, until
from tinv_tui import paths
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.try_it import TryScreen
from tinv_tui.app.trial import find_trial
from tinv_tui.app.widgets.picture import Picture
from tinv_tui.app.widgets.text_field import TextField
from tinv_tui.embeddings.files import Embedding, write_embedding


def put(path: Path, width: int = 64) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_embedding(path, Embedding(path.stem, {"emb_params": np.full((2, width), 0.1, dtype=np.float32)}, 100))
    return path


def in_library(name: str, width: int = 64) -> Path:
    return put(paths.embeddings_folder() / f"{name}.safetensors", width)


async def open_try(pilot: Any) -> TryScreen:
    workbench = await ready(pilot)
    workbench.loss.focus()
    await pilot.press("t")
    await until(pilot, lambda: isinstance(pilot.app.screen, TryScreen))
    return pilot.app.screen


def test_it_is_the_result_of_the_run_or_its_newest_copy_or_the_forms_name(pictures: Path, tmp_path: Path) -> None:
    wanted = recipe(pictures, preview__prompts=["a [name] on a table"])
    run = past_run(wanted, tmp_path / "home")
    assert find_trial(run, wanted) is None
    copy = put(run.copies / "zork-50.safetensors")
    trial = find_trial(run, wanted)
    assert trial is not None
    assert (trial.embedding, trial.prompt) == (copy, "a zork-50 on a table")
    result = in_library("zork")
    assert [(t.embedding, t.prompt) for t in (find_trial(run, wanted), find_trial(None, wanted)) if t] == [
        (result, "a zork on a table")
    ] * 2
    plain = find_trial(None, recipe(pictures, dataset__template="style"))
    assert plain is not None
    assert plain.prompt == "a picture in the style of zork"


@pytest.mark.parametrize("size", [pytest.param(WIDE, marks=pytest.mark.long), NARROW])
async def test_both_pictures_are_drawn_side_by_side_and_their_paths_told(size: tuple[int, int], pictures: Path) -> None:
    in_library("zork")
    async with TinvApp(recipe(pictures)).run_test(size=size) as pilot:
        screen = await open_try(pilot)
        assert screen.query_one("#try-prompt", TextField).value == "a photo of zork"
        await pilot.press("enter")
        both = [screen.query_one(f"#{name}", Picture) for name in ("try-with", "try-without")]
        await until(pilot, lambda: all(picture.is_drawn for picture in both) and not screen.is_drawing)
        shown = [picture.path for picture in both]
        assert [path.name for path in shown if path] == ["a-photo-of-zork-42.png", "a-photo-of-zork-42-without.png"]
        pixels = [np.asarray(Image.open(path)) for path in shown if path]
        assert not np.array_equal(*pixels)
        text = screen_text(pilot.app)
        assert "a-photo-of-zork-42-without.png" in text
        assert both[0].region.height >= 8
        assert both[0].region.right <= both[1].region.x
        await has_help(pilot, "f1", "prompt and seed twice")
        screen.query_one("#try-seed", TextField).value = "42x"
        await pilot.press("enter")
        await until(pilot, lambda: "✖ seed: '42x' is not" in screen_text(pilot.app))
        assert "preview.seed" not in screen_text(pilot.app)
        assert [picture.path for picture in both] == shown  # what was drawn stays
        screen.query_one("#try-seed", TextField).value = ""
        assert screen._plan().recipe.preview.seed == -1  # another each time
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, TryScreen))


async def test_escape_stops_the_drawing_and_once_more_closes(pictures: Path) -> None:
    in_library("zork")
    async with TinvApp(recipe(pictures, preview__steps=1000)).run_test(size=NARROW) as pilot:
        screen = await open_try(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "drawing" in screen_text(pilot.app).replace("esc stop drawing", ""))
        await pilot.press("escape")
        await until(pilot, lambda: not screen.is_drawing)
        assert "stopped" in screen_text(pilot.app)
        assert not list((paths.home() / "pictures").glob("*.png"))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, TryScreen))


async def test_without_a_finished_embedding_that_fits_it_says_so_before_anything_is_loaded(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        workbench.loss.focus()
        await until(pilot, lambda: "x window" in screen_text(pilot.app).splitlines()[-1])
        assert "t try" not in screen_text(pilot.app).splitlines()[-1]  # no run, and so nothing yet to try
        assert "v draws one" not in screen_text(pilot.app)
        await pilot.press("t")
        await until(pilot, lambda: "no finished embedding" in screen_text(pilot.app))
        assert not isinstance(pilot.app.screen, TryScreen)

        in_library("zork", width=768)
        screen = await open_try(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "768 wide" in screen_text(pilot.app))
        assert not screen.is_drawing
