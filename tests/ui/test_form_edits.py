"""What was done to a form can be taken back, and made again."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.ui.support import NARROW, past_welcome, ready, recipe, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.create import CreateScreen
from tinv_tui.app.screens.presets import PresetsScreen


async def test_typing_ticks_and_choices_are_taken_back_one_by_one_and_made_again(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        form = workbench.form
        said = [form.texts]
        form.control("training.steps").focus()
        await pilot.press("end", "0", "0")
        said.append(form.texts)
        form.control("dataset.flip").focus()
        await pilot.press("space")
        said.append(form.texts)
        form.control("training.clip").focus()
        await pilot.press("right")
        said.append(form.texts)
        assert [texts["training.steps"] for texts in said] == ["5000", "500000", "500000", "500000"]
        for texts in said[-2::-1]:
            await pilot.press("ctrl+z")
            assert form.texts == texts
        assert workbench.focused is form.control("training.steps")
        await pilot.press("ctrl+z")
        assert form.texts == said[0]
        for texts in said[1:]:
            await pilot.press("ctrl+y")
            assert form.texts == texts
        assert form.recipe()[1] == {}


async def test_a_preset_and_a_demo_are_one_edit_each_with_what_the_form_does_not_show(pictures: Path) -> None:
    wanted = recipe(pictures)
    async with TinvApp(wanted).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        await pilot.press("escape", "a")
        await until(pilot, lambda: isinstance(pilot.app.screen, PresetsScreen))
        await pilot.press("enter", "d", "enter")
        await until(pilot, lambda: workbench.form.texts["training.batch_size"] == "4")
        await pilot.press("ctrl+z")
        assert workbench.form.texts["embedding.name"] == "zork"
        assert workbench.form.texts["dataset.template"] == "subject_filewords"
        await pilot.press("ctrl+z")
        assert workbench.form.recipe() == (wanted, {})
        assert isinstance(pilot.app, TinvApp)
        assert "undone: Template subject_filewords → subject, and " in pilot.app.control.notes[-1].text


async def test_each_form_has_its_own_edits() -> None:
    async with TinvApp().run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        await past_welcome(pilot)
        await pilot.press(*"cat", "f3")
        await until(pilot, lambda: isinstance(pilot.app.screen, CreateScreen))
        create = pilot.app.screen
        assert isinstance(create, CreateScreen)
        await pilot.press(*"dog", "ctrl+z")
        assert create.form.texts["embedding.name"] == "cat"
        assert workbench.form.texts["embedding.name"] == "cat"
        await pilot.press("ctrl+y")
        assert create.form.texts["embedding.name"] == "catdog"


async def test_what_is_left_out_of_one_folder_is_not_left_out_of_another(pictures: Path, tmp_path: Path) -> None:
    """Cameras give the same names again."""
    other = shutil.copytree(pictures, tmp_path / "other")
    app = TinvApp(recipe(pictures, dataset__exclude=["001.png"]))
    async with app.run_test(size=NARROW) as pilot:
        form = (await ready(pilot)).form
        assert form.texts["dataset.exclude"] == "001.png", "as the recipe says"
        form.put("dataset.path", str(tmp_path / "oth"))
        await until(pilot, lambda: bool(form.error_at("dataset.path")))
        assert form.texts["dataset.exclude"] == "001.png", "half a path is no other folder yet"
        form.put("dataset.path", str(other))
        await until(pilot, lambda: form.texts["dataset.exclude"] == "")
        await until(pilot, lambda: any("is not left out of this dataset" in note.text for note in app.control.notes))
        await pilot.press("ctrl+z")
        await until(pilot, lambda: form.texts["dataset.exclude"] == "001.png")
        await form.check_now()
        await pilot.pause(0.2)
        assert form.texts["dataset.exclude"] == "001.png", "somebody wants it so"
