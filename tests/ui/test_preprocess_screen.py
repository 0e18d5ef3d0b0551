"""The screen of Preprocess images: it says what would be written, asks where it must, and hands on to training."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from textual import events
from textual.pilot import Pilot

from tests.captioners import save_deepdanbooru
from tests.odd_pictures import noise
from tests.ui.support import NARROW, WIDE, ready, recipe, screen_text, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.confirm import ConfirmScreen
from tinv_tui.app.screens.pick import PickScreen
from tinv_tui.app.screens.preprocess import PreprocessScreen
from tinv_tui.app.screens.workbench import Workbench


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


async def opened(pilot: Pilot[Any], **texts: str) -> PreprocessScreen:
    """The screen, its form filled in and looked through."""
    await ready(pilot)
    await pilot.press("f4")
    await until(
        pilot,
        lambda: isinstance(pilot.app.screen, PreprocessScreen) and pilot.app.screen.is_furnished,
    )
    screen = pilot.app.screen
    assert isinstance(screen, PreprocessScreen)
    for key, text in texts.items():
        screen.form.put(f"preprocess.{key}", text)
    await until(pilot, lambda: bool(screen.form.checked.notes))
    return screen


async def test_what_is_wrong_is_said_at_its_field_else_what_would_be_written_and_nothing_is(
    pictures: Path, tmp_path: Path
) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        screen = await opened(pilot, source=str(pictures), destination=str(pictures / "inside"))
        await until(pilot, lambda: "inside the other" in screen.form.error_at("preprocess.destination"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: screen.focused is screen.form.control("preprocess.destination"))
        screen.form.put("preprocess.width", "500")
        await until(pilot, lambda: "a multiple of 8" in screen.form.error_at("preprocess.width"))
        assert not (pictures / "inside").exists()
        screen.form.put("preprocess.destination", "")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "2 fields to put right" in screen_text(pilot.app))

        screen.form.put("preprocess.width", "512")
        screen.form.put("preprocess.destination", str(tmp_path / "made"))
        await until(pilot, lambda: screen.form.checked.plan is not None)
        await until(pilot, lambda: "3 pictures become 6" in screen_text(pilot.app))
        text = screen_text(pilot.app)
        assert "00000-0-001.png  + caption" in text
        assert "6 pictures · 1 skipped" in text
        assert not (tmp_path / "made").exists()


async def test_a_finished_job_fills_in_the_train_form(pictures: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        await ready(pilot)
        pilot.app.action_show("preprocess")  # type: ignore[attr-defined]
        for key in "q1s":  # faster than the form is there: letters, not commands
            pilot.app.post_message(events.Key(key, key))
        await until(pilot, lambda: isinstance(pilot.app.screen, PreprocessScreen) and pilot.app.screen.is_furnished)
        assert isinstance(pilot.app.screen, PreprocessScreen)
        form = pilot.app.screen.form
        await until(pilot, lambda: form.texts["preprocess.source"] == "q1s", 10)
        await pilot.press("f2")
        screen = await opened(pilot, source=str(pictures), destination=str(made), width="64", height="128")
        await until(pilot, lambda: screen.form.checked.plan is not None)
        assert "3 pictures become 6" in screen_text(pilot.app)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "6 pictures written" in screen_text(pilot.app))
        assert len(list(made.glob("*.png"))) == 6
        await until(pilot, lambda: "s cancel" not in screen_text(pilot.app))
        await pilot.press("1")
        workbench = pilot.app.workbench  # type: ignore[attr-defined]
        await until(pilot, lambda: workbench.form.texts["dataset.path"] == str(made))
        assert (workbench.form.texts["dataset.width"], workbench.form.texts["dataset.height"]) == ("64", "128")


async def test_a_folder_in_use_is_named_with_its_count_and_asked_for(pictures: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (made / "mine.png").write_bytes(b"mine")
    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        screen = await opened(pilot, source=str(pictures), destination=str(made), width="64", height="64")
        await until(pilot, lambda: "the destination holds 1 file" in screen_text(pilot.app))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert "holds 1 file" in screen_text(pilot.app)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert os.listdir(made) == ["mine.png"]
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("enter")
        await until(pilot, lambda: "6 pictures written" in screen_text(pilot.app))
        assert (made / "mine.png").read_bytes() == b"mine"
        await until(pilot, lambda: "6 of them are there already" in screen_text(pilot.app))


@pytest.mark.long
async def test_a_job_is_cancelled_by_a_key_that_asks_and_shows_its_rate(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    Image.effect_noise((300, 300), 80).convert("RGB").save(source / "0.png")
    for number in range(1, 300):
        os.link(source / "0.png", source / f"{number}.png")
    async with TinvApp(recipe(source)).run_test(size=WIDE) as pilot:
        await opened(pilot, source=str(source), destination=str(tmp_path / "made"), processes="1")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: bool(re.search(r"[1-9]/300  .*/s  .* left", screen_text(pilot.app))))
        await until(pilot, lambda: "s cancel…" in screen_text(pilot.app))
        assert "they are being written" in screen_text(pilot.app)
        await pilot.press("1")
        await until(pilot, lambda: isinstance(pilot.app.screen, Workbench))
        await pilot.press("ctrl+q")  # wherever one is by then
        await until(pilot, lambda: "Leave, and stop preprocessing?" in screen_text(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, Workbench))
        await pilot.press("f4")
        await until(pilot, lambda: isinstance(pilot.app.screen, PreprocessScreen))
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("enter")
        await until(pilot, lambda: "■ cancelled" in screen_text(pilot.app))
        assert 0 < len(list((tmp_path / "made").glob("*.png"))) < 600
        assert not list((tmp_path / "made").glob(".*"))


@pytest.mark.parametrize("answer", ["enter", "ctrl+q"])
async def test_who_leaves_while_it_preprocesses_has_been_asked(tmp_path: Path, answer: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    noise(300, 300).save(source / "0.png")
    for number in range(1, 300):
        os.link(source / "0.png", source / f"{number}.png")
    app = TinvApp(recipe(source))
    async with app.run_test(size=NARROW) as pilot:
        screen = await opened(pilot, source=str(source), destination=str(tmp_path / "made"), processes="1")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: screen.leaving_ends is not None)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert app.is_running
        await pilot.press(answer)
        await until(pilot, lambda: not app.is_running)
    assert len(list((tmp_path / "made").glob("*.png"))) < 600


async def test_captions_are_ticked_where_a_captioner_is_here_else_the_command_is_told(
    pictures: Path, tmp_path: Path
) -> None:
    save_deepdanbooru(tmp_path / "home" / "models" / "deepdanbooru")
    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        screen = await opened(pilot)
        assert screen.form.texts["preprocess.tagger"] == "chinoll/deepdanbooru"
        assert screen.form.texts["preprocess.blip"] == "off"
        assert "hf download Salesforce/blip-image-captioning-base" in screen.form.note_at("preprocess.blip")
        screen.form.control("preprocess.tagger").focus()
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(pilot.app.screen, PickScreen))
        assert "wd-swinv2" in screen_text(pilot.app)


async def test_a_set_that_was_just_made_is_not_made_anew_into_its_own_folder(pictures: Path, tmp_path: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        screen = await opened(pilot, source=str(pictures), destination=str(tmp_path / "made"))
        screen.take_source(str(tmp_path / "made"))
        assert screen.form.texts["preprocess.source"] == str(tmp_path / "made")
        assert screen.form.texts["preprocess.destination"] == ""
        screen.form.put("preprocess.destination", str(tmp_path / "other"))
        screen.take_source(str(pictures))
        assert screen.form.texts["preprocess.destination"] == str(tmp_path / "other")
