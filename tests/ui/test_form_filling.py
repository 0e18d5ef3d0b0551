"""What fills the form in by itself: offers, bundled sets, presets, recipe files and pictures of others."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from textual.widgets import Input

from tests.ui.support import NARROW, WIDE, ready, recipe, screen_text, until
from tinv_tui.app import form_values
from tinv_tui.app.app import TinvApp
from tinv_tui.app.fields import FIELDS
from tinv_tui.app.screens.ask_path import AskPathScreen
from tinv_tui.app.screens.help import HelpScreen
from tinv_tui.app.screens.pick import PickScreen
from tinv_tui.datasets import infotext
from tinv_tui.models import bundled
from tinv_tui.presets import find_preset
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.folder import all_runs


async def test_known_values_are_offered_and_a_bundled_set_fills_the_form_in(pictures: Path) -> None:
    async with TinvApp(recipe(pictures, model__path="")).run_test(size=NARROW) as pilot:
        form = (await ready(pilot)).form
        form.control("model.path").focus()
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(pilot.app.screen, PickScreen))
        await pilot.press("enter")
        await until(pilot, lambda: form.texts["model.path"] == "bundled")

        await pilot.press("escape", "d")
        await until(pilot, lambda: isinstance(pilot.app.screen, PickScreen))
        text = screen_text(pilot.app)
        assert all(name in text and said in text for name, said in bundled.SETS.items())
        await pilot.press("end", "enter")
        await until(pilot, lambda: form.texts["embedding.name"] == "neon")
        assert form.texts["dataset.template"] == "style"
        assert form.texts["dataset.path"].endswith("neon")
        assert not all_runs()


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_a_preset_shows_what_it_would_change_and_why_before_it_is_taken(
    size: tuple[int, int], pictures: Path
) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=size) as pilot:
        workbench = await ready(pilot)
        before = workbench.form.texts
        await pilot.press("escape", "a")
        await until(pilot, lambda: "Vectors  1 → 4" in screen_text(pilot.app))
        await pilot.press("down")
        await until(pilot, lambda: "mirror at random  no → yes" in screen_text(pilot.app))
        assert "a look has no left and right" in screen_text(pilot.app)
        assert workbench.form.texts == before
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is workbench)
        values = dict(form_values.preset_texts(find_preset("style"), FIELDS))
        assert workbench.form.texts == before | values
        assert workbench.form.recipe()[1] == {}


async def test_a_preset_that_is_left_changes_nothing(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        before = workbench.form.texts
        await pilot.press("escape", "a", "down", "escape")
        await until(pilot, lambda: pilot.app.screen is workbench)
        assert workbench.form.texts == before


async def test_the_recipe_is_saved_where_asked(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = recipe(pictures)
    async with TinvApp(wanted).run_test(size=NARROW) as pilot:
        await ready(pilot)
        await pilot.press("ctrl+l")
        await pilot.pause()
        await pilot.press("ctrl+u", *"m.toml", "enter")
        await until(pilot, lambda: (tmp_path / "m.toml").exists())
        assert load_recipe(tmp_path / "m.toml") == wanted


async def test_tab_completes_where_a_path_is_asked_for(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept.toml").write_text("[training]\nsteps = 9\n")
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        form = (await ready(pilot)).form
        await pilot.press("escape", "L")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskPathScreen))
        field = pilot.app.screen.query_one("#path", Input)
        await pilot.press(*"pictures", "enter")
        await until(pilot, lambda: " is a folder" in screen_text(pilot.app))
        await pilot.press("ctrl+u", "k", "e")
        await until(pilot, lambda: screen_text(pilot.app).count("kept.toml") == 2)  # behind the cursor, and below
        await pilot.press("tab")
        await until(pilot, lambda: field.value == "kept.toml")
        await pilot.press("enter")
        await until(pilot, lambda: form.texts["training.steps"] == "9")


async def test_a_recipe_saved_elsewhere_still_leads_to_its_pictures_and_fills_the_form_in_again(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "bad.toml").write_text("[training]\nsteps = 'many'\n")
    typed = recipe(pictures, dataset__path="pictures", training__steps=77)
    async with TinvApp(typed).run_test(size=NARROW) as pilot:
        form = (await ready(pilot)).form
        await pilot.press("ctrl+l")
        await pilot.pause()
        await pilot.press("ctrl+u", *"away/m.toml", "enter")
        await until(pilot, lambda: (tmp_path / "away" / "m.toml").exists())
        assert load_recipe(tmp_path / "away" / "m.toml").dataset.path == str(pictures)

        form.put("training.steps", "5")
        await pilot.press("escape", "L")
        await pilot.pause()
        await pilot.press(*"away/bad.toml", "enter")
        await until(pilot, lambda: any("not loaded. " in line.text for line in pilot.app.control.notes))  # type: ignore[attr-defined]
        assert form.texts["training.steps"] == "5"
        await pilot.press("escape", "L")
        await pilot.pause()
        await pilot.press(*"away/m.toml", "enter")
        await until(pilot, lambda: form.texts["training.steps"] == "77")
        assert form.texts["dataset.path"] == str(pictures)
        await pilot.press("ctrl+z")
        await until(pilot, lambda: form.texts["training.steps"] == "5")


async def test_the_preview_is_filled_in_from_a_picture_made_by_a1111_but_not_from_one_that_says_nothing(
    pictures: Path, tmp_path: Path
) -> None:
    text = PngInfo()
    said = "a zork, (old:1.2)\nNegative prompt: blur\nSteps: 9, Sampler: Euler a, CFG scale: 5, Seed: 11, Size: 64x96"
    text.add_text("parameters", said)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=text)
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        workbench.form.control("preview.prompts").focus()
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(pilot.app.screen, PickScreen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskPathScreen))
        await pilot.press(*"nowhere.png", "enter")
        await until(pilot, lambda: "there is no file" in screen_text(pilot.app))
        pilot.app.screen.query_one(Input).value = str(tmp_path / "a.png")
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is workbench)
        app = pilot.app
        assert isinstance(app, TinvApp)
        await until(pilot, lambda: any("plain words" in note.text for note in app.control.notes))
        filled, errors = workbench.form.recipe()
        assert not errors
        assert filled is not None
        preview = filled.preview
        assert (preview.prompts, preview.negative, preview.steps) == (("a zork, (old:1.2)",), "blur", 9)
        assert (preview.sampler, preview.cfg, preview.seed) == ("euler a", 5.0, 11)
        assert (preview.width, preview.height) == (64, 96)

        before = workbench.form.texts
        workbench.form_pane.ask_for_preview()
        await until(pilot, lambda: isinstance(pilot.app.screen, AskPathScreen))
        pilot.app.screen.query_one(Input).value = str(pictures / "001.png")
        await pilot.press("enter")
        await until(pilot, lambda: "does not say how it was made" in app.control.notes[-1].text)
        assert pilot.app.screen is workbench
        assert workbench.form.texts == before


async def test_keys_are_heard_while_a_picture_is_read_for_its_preview_settings(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_read, go_on = threading.Event(), threading.Event()

    def slow(path: Path) -> infotext.Infotext:
        is_read.set()
        assert go_on.wait(60)
        return infotext.Infotext("a slow zork", "", {})

    monkeypatch.setattr(infotext, "read_infotext", slow)
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        workbench.form_pane.ask_for_preview()
        await until(pilot, lambda: isinstance(pilot.app.screen, AskPathScreen))
        pilot.app.screen.query_one(Input).value = str(pictures / "001.png")
        await pilot.press("enter")
        await until(pilot, is_read.is_set)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        await pilot.press("escape")
        go_on.set()
        await until(pilot, lambda: workbench.form.texts["preview.prompts"] == "a slow zork")


async def test_what_the_program_filled_in_is_gone_on_from_at_its_end(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        form = (await ready(pilot)).form
        form.put("embedding.init_text", "ginger cat")
        form.control("embedding.init_text").focus()
        await pilot.press("s")
        assert form.texts["embedding.init_text"] == "ginger cats"
        await pilot.press("home", "x")
        form.put("embedding.init_text", "a dog")  # by a preset, say, while one is in it
        await pilot.press("s")
        assert form.texts["embedding.init_text"] == "a dogs"
