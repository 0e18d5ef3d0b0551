"""Previews through time: walked by keys, held against each other and the dataset, on the whole screen, copied."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.ui.support import NARROW, WIDE, has_help, past_run, ready, recipe, screen_text, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.previews import PreviewsScreen
from tinv_tui.app.screens.workbench import Workbench
from tinv_tui.app.widgets.picture import Picture
from tinv_tui.runs.folder import RunFolder


def with_previews(run: RunFolder, *steps: int) -> RunFolder:
    """Give a past run a preview of two prompts at each of the steps."""
    run.images.mkdir(exist_ok=True)
    with run.events.open("a") as file:
        for step in steps:
            for number, prompt in enumerate(("a zork", "a zork in the snow"), start=1):
                path = run.images / f"zork-{step}-{number}.png"
                Image.new("RGB", (32, 32), (step % 256, 90, 30)).save(path)
                told = {"kind": "preview", "step": step, "path": str(path), "prompt": prompt, "seed": 42}
                file.write(json.dumps({"v": 1, "t": "2026-11-22T09:14:02.000+00:00", **told}) + "\n")
    return run


@pytest.fixture
def run(pictures: Path, tmp_path: Path) -> RunFolder:
    return with_previews(past_run(recipe(pictures), tmp_path / "home"), *range(50, 451, 50))


def name(picture: Picture) -> str:
    return picture.path.name if picture.path is not None else ""


async def looking_at_previews(pilot: object) -> Workbench:
    workbench = await ready(pilot)  # type: ignore[arg-type]
    await until(pilot, lambda: "step 450" in workbench.preview.frame[0])  # type: ignore[arg-type]
    workbench.open_tab("loss")
    workbench.preview.focus()
    return workbench


async def test_keys_walk_through_the_previews_of_one_prompt_and_the_newest_is_followed_again_at_the_end(
    run: RunFolder,
) -> None:
    async with TinvApp(run=run).run_test(size=WIDE) as pilot:
        preview = (await looking_at_previews(pilot)).preview
        assert preview.frame[0] == "Newest preview  step 450"
        for keys, shown in ((("comma",), "400-2"), (("left_square_bracket",), "350-2"), (("full_stop",), "400-2")):
            await pilot.press(*keys)
            assert name(preview.picture) == f"zork-{shown}.png"
        assert preview.frame[0] == "Preview  step 400  8 of 9"
        await pilot.press("n")
        assert name(preview.picture) == "zork-400-1.png"
        await pilot.press("n", "right_square_bracket", "full_stop")
        assert preview.frame[0] == "Newest preview  step 450"
        with_previews(run, 500)
        await until(pilot, lambda: preview.frame[0] == "Newest preview  step 500")


async def test_a_marked_preview_stands_beside_the_one_gone_to_and_the_dataset_does_where_it_is_asked_for(
    run: RunFolder,
) -> None:
    async with TinvApp(run=run).run_test(size=WIDE) as pilot:
        preview = (await looking_at_previews(pilot)).preview
        await pilot.press("a")
        assert preview.frame[0] == "Newest preview  A step 450"
        await pilot.press("comma")
        assert preview.frame[0] == "B step 400  beside A step 450"
        assert (name(preview.beside), name(preview.picture)) == ("zork-450-2.png", "zork-400-2.png")
        await until(pilot, lambda: preview.beside.is_drawn and preview.picture.is_drawn)
        await pilot.press("a", "a")
        assert not preview.beside.display
        await pilot.press("o")
        await until(pilot, lambda: name(preview.beside) == "001.png")
        assert preview.frame[0] == "step 400  beside 001.png of the dataset"
        await pilot.press("o")
        await until(pilot, lambda: not preview.beside.display)


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_enter_shows_them_on_the_whole_screen_with_a_strip_through_time(
    size: tuple[int, int], run: RunFolder
) -> None:
    app = TinvApp(run=run)
    async with app.run_test(size=size) as pilot:
        workbench = await looking_at_previews(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PreviewsScreen) and "▸ 450" in screen_text(app))
        large = app.screen.query_one("#previews-shown", Picture)
        await until(pilot, lambda: all(picture.is_drawn for picture in app.screen.query(Picture) if picture.path))
        assert large.size.height >= size[1] // 2
        assert all(f" {step} " in screen_text(app) for step in (200, 250, 300, 350, 400))
        assert "a zork in the snow   seed 42" in screen_text(app)
        for key in ("?", "f1"):
            await has_help(pilot, key, "as large as it fits")
        await pilot.press("a", "left", "left")
        assert "▸ 350" in screen_text(app)
        assert "A step 450" in screen_text(app)
        assert "B step 350" in screen_text(app)
        await pilot.press("a", "a", "o")
        await until(pilot, lambda: "001.png of the dataset" in screen_text(app))
        await pilot.press("down", "right")
        assert "002.png of the dataset" in screen_text(app)
        await pilot.press("up", "escape")
        await until(pilot, lambda: app.screen is workbench)
        assert workbench.preview.gallery.title == "step 400"


async def test_y_copies_the_path_and_says_what_it_copied(run: RunFolder) -> None:
    app = TinvApp(run=run)
    async with app.run_test(size=WIDE) as pilot:
        workbench = await looking_at_previews(pilot)
        await pilot.press("y")
        assert app.clipboard == str(run.images / "zork-450-2.png")
        await until(pilot, lambda: "copied" in workbench.log_pane.text.plain)
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen, PreviewsScreen))
        await pilot.press("comma", "y")
        assert app.clipboard == str(run.images / "zork-400-2.png")
        await until(pilot, lambda: "copied" in screen_text(app))


async def test_the_keys_of_previews_do_nothing_where_there_is_none(pictures: Path, tmp_path: Path) -> None:
    app = TinvApp(run=past_run(recipe(pictures), tmp_path / "home"))
    async with app.run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        workbench.preview.focus()
        await until(pilot, lambda: "z zoom" in screen_text(app).splitlines()[-1])
        assert "earlier" not in screen_text(app).splitlines()[-1]
        assert "t try" in screen_text(app).splitlines()[-1]
        assert "v draws one" not in screen_text(app)  # the run is over
        await pilot.press("comma", "full_stop", "a", "n", "y", "f", "o", "o")
        await pilot.pause()
        assert app.screen is workbench
        assert workbench.preview.gallery.shown is None


async def test_a_preview_that_is_being_read_is_not_said_to_be_none(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, draw = threading.Event(), Picture._draw

    def slow(self: Picture, path: Path, width: int, height: int, left: threading.Event) -> Any:
        assert read.wait(60)
        return draw(self, path, width, height, left)

    monkeypatch.setattr(Picture, "_draw", slow)
    async with TinvApp(run=run).run_test(size=WIDE) as pilot:
        try:
            workbench = await looking_at_previews(pilot)
            await pilot.pause(0.2)
            assert not workbench.preview.picture.is_drawn
            assert "no preview" not in screen_text(pilot.app)
        finally:
            read.set()
        await until(pilot, lambda: workbench.preview.picture.is_drawn)
