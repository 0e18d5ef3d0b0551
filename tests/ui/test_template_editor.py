"""Templates are edited in the app, in a copy of the user's own, and only kept when they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from tests.ui.support import NARROW, WIDE, ready, recipe, screen_text, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.template_editor import TemplateEditor
from tinv_tui.app.screens.workbench import Workbench
from tinv_tui.paths import own_templates_folder, shipped


async def opened(pilot: Pilot[Any]) -> tuple[Workbench, TemplateEditor]:
    workbench = await ready(pilot)
    await until(pilot, lambda: workbench.form.checked.plan is not None)
    workbench.form.control("dataset.template").focus()
    await pilot.press("f8")
    await until(pilot, lambda: isinstance(pilot.app.screen, TemplateEditor))
    editor = pilot.app.screen
    assert isinstance(editor, TemplateEditor)
    await until(pilot, lambda: "→" in editor.sample.plain)
    return workbench, editor


async def test_a_copy_of_a_shipped_template_is_edited_with_a_live_sample_and_kept(
    pictures: Path,
) -> None:
    async with TinvApp(recipe(pictures, dataset__template="subject_filewords")).run_test(size=NARROW) as pilot:
        workbench, editor = await opened(pilot)
        original = (shipped("templates") / "subject_filewords.txt").read_text()
        assert editor.editor.text == original
        assert "→ 001.png: a photo of zork, a red thing on a table" in " ".join(editor.sample.plain.split())
        await pilot.press(*"my")
        assert "mya photo of zork" in editor.sample.plain
        assert all(
            word in screen_text(pilot.app) for word in ("Template subject_filewords", "ctrl+s keep", "mya photo")
        )
        await pilot.press("ctrl+s")
        await until(pilot, lambda: pilot.app.screen is workbench)
        assert (own_templates_folder() / "subject_filewords.txt").read_text() == f"my{original}"
        assert (shipped("templates") / "subject_filewords.txt").read_text() == original
        await until(pilot, lambda: workbench.form.checked.prompts.lines[0].startswith("mya photo"))  # type: ignore[union-attr]
        workbench.open_tab("dataset")
        await until(pilot, lambda: "→ mya photo of zork" in workbench.dataset.caption.plain)


async def test_a_template_that_does_not_hold_is_not_kept_the_reason_is_said_and_leaving_is_asked_twice(
    pictures: Path,
) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench, editor = await opened(pilot)
        editor.editor.text = "a photo of a thing\n[name]"
        await until(pilot, lambda: "never says [name]" in editor.sample.plain)
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert "✖ not kept: the line 'a photo of a thing' never says [name]" in editor.sample.plain
        assert pilot.app.screen is editor
        assert not own_templates_folder().exists()

        await pilot.press("escape")  # something was changed
        assert "esc once more leaves all the same" in editor.sample.plain
        await pilot.press("up")
        await pilot.resize_terminal(*WIDE)
        await pilot.pause()
        assert "esc once more leaves all the same" in editor.sample.plain
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is workbench)
        assert not own_templates_folder().exists()


async def test_any_text_file_is_copied_under_its_name_and_an_own_one_is_edited_itself(
    pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("a view of [name]\n")
    async with TinvApp(recipe(pictures, dataset__template=str(tmp_path / "mine.txt"))).run_test(size=WIDE) as pilot:
        workbench, editor = await opened(pilot)
        editor.editor.text = "a new view of [name]"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: workbench.form.texts["dataset.template"] == "mine")
        assert (tmp_path / "mine.txt").read_text() == "a view of [name]\n"
        _, editor = await opened(pilot)
        assert editor.editor.text == "a new view of [name]\n"

        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is workbench)
        workbench.form.put("dataset.template", "gone")  # one that is not there cannot be edited
        told = len(pilot.app.control.notes)  # type: ignore[attr-defined]
        await pilot.press("f8")
        await until(pilot, lambda: len(pilot.app.control.notes) > told)  # type: ignore[attr-defined]
        assert pilot.app.screen is workbench
        assert workbench.focused is workbench.form.control("dataset.template")
