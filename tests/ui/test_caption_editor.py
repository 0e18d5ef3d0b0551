"""Captions are edited beside their picture, with the prompt and its tokens in sight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from tests.ui.support import NARROW, WIDE, has_help, ready, recipe, screen_text, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.caption_editor import CaptionEditor
from tinv_tui.app.screens.workbench import Workbench
from tinv_tui.recipe import Recipe


def wanted(pictures: Path) -> Recipe:
    return recipe(pictures, dataset__template="subject_filewords")


async def at_the_list(pilot: Pilot[Any]) -> Workbench:
    workbench = await ready(pilot)
    workbench.open_tab("dataset")
    await until(pilot, lambda: "001.png" in workbench.dataset.pictures.plain)
    workbench.dataset.pictures.focus()
    await until(pilot, lambda: workbench.focused is workbench.dataset.pictures)
    return workbench


async def opened(pilot: Pilot[Any], name: str) -> CaptionEditor:
    await until(
        pilot, lambda: isinstance(pilot.app.screen, CaptionEditor) and f"Caption of {name}" in screen_text(pilot.app)
    )
    assert isinstance(pilot.app.screen, CaptionEditor)
    return pilot.app.screen


async def test_e_edits_the_caption_with_its_prompt_and_tokens_and_ctrl_s_keeps_it(pictures: Path) -> None:
    async with TinvApp(wanted(pictures)).run_test(size=NARROW) as pilot:
        workbench = await at_the_list(pilot)
        assert "e caption" in screen_text(pilot.app).splitlines()[-1]
        await pilot.press("e")
        editor = await opened(pilot, "001.png")
        await pilot.press(*" by night")
        await until(pilot, lambda: "zork, a red thing on a table by night" in editor.sample.plain)
        before = int(editor.sample.plain.split(" of 75 tokens")[0])
        await pilot.press(*", a dog")
        await until(pilot, lambda: editor.sample.plain.startswith(f"{before + 3} of 75 tokens"))
        await has_help(pilot, "f1", "beside the picture")
        editor.editor.text = "red dog " * 40
        await until(pilot, lambda: "2 chunks of 75" in editor.sample.plain)
        editor.editor.text = "a red thing by night"
        assert all(word in screen_text(pilot.app) for word in ("001.txt", "ctrl+s keep", "▀"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: pilot.app.screen is workbench)
        assert (pictures / "001.txt").read_text() == "a red thing by night\n"
        await until(pilot, lambda: "a red thing by night" in workbench.dataset.caption.plain)


async def test_ctrl_g_keeps_it_and_goes_to_the_next_picture_a_missing_caption_becomes_a_file(pictures: Path) -> None:
    async with TinvApp(wanted(pictures)).run_test(size=WIDE) as pilot:
        workbench = await at_the_list(pilot)
        await pilot.press("e")
        await opened(pilot, "001.png")
        await pilot.press("ctrl+g")  # nothing was changed: nothing is written
        await opened(pilot, "002.png")
        assert (pictures / "001.txt").read_text() == "a red thing on a table"
        assert "002.txt (new)" in screen_text(pilot.app)
        await pilot.press(*"green", "ctrl+g")
        await opened(pilot, "003.png")
        assert (pictures / "002.txt").read_text() == "green\n"
        await pilot.press(*"!", "ctrl+g")  # there is none after it: 004.png cannot be read
        await until(pilot, lambda: pilot.app.screen is workbench)
        assert (pictures / "003.txt").read_text() == "a blue thing!\n"
        assert workbench.dataset.pictures.cursor == 2
        await until(pilot, lambda: "3 captions" in workbench.dataset.frame[1] or workbench.dataset.is_looking)


async def test_what_is_no_text_is_refused_where_one_looks_and_what_was_changed_is_not_lost(
    pictures: Path,
) -> None:
    (pictures / "002.txt").write_bytes(b"\x00\x01\x02")
    async with TinvApp(wanted(pictures)).run_test(size=NARROW) as pilot:
        workbench = await at_the_list(pilot)
        await pilot.press("down", "e")
        await until(pilot, lambda: "✖ 002.txt is no text" in workbench.dataset.findings.plain)
        assert pilot.app.screen is workbench
        await pilot.press("up", "e")
        editor = await opened(pilot, "001.png")
        assert "002.txt" not in workbench.dataset.findings.plain
        await pilot.press("x", "escape")
        assert "esc once more leaves all the same" in editor.sample.plain
        await pilot.resize_terminal(*WIDE)
        await pilot.pause()
        assert "esc once more leaves all the same" in editor.sample.plain
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is workbench)
        assert (pictures / "001.txt").read_text() == "a red thing on a table"
        await pilot.press("e")
        editor = await opened(pilot, "001.png")
        (pictures / "001.txt").write_text("theirs")
        await pilot.press("x", "ctrl+s")
        await until(pilot, lambda: "changed by something else" in editor.sample.plain)
        assert (pictures / "001.txt").read_text() == "theirs"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: pilot.app.screen is workbench)
        assert (pictures / "001.txt").read_text() == "a red thing on a tablex\n"
