"""The dataset pane tells what is wrong: the list at once, what pixels say a moment later."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from textual.pilot import Pilot

from tests.ui.support import NARROW, WIDE, ready, recipe, screen_text, until
from tinv_tui.app import closer_look
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.caption_editor import CaptionEditor
from tinv_tui.app.screens.caption_words import CaptionWords
from tinv_tui.app.screens.confirm import ConfirmScreen
from tinv_tui.app.screens.preprocess import PreprocessScreen
from tinv_tui.app.screens.workbench import Workbench
from tinv_tui.app.widgets.dataset_pane import DatasetPane
from tinv_tui.recipe import Recipe


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """A sharp picture, its blurred copy, a small one and a text, of 256 pixels."""
    folder = tmp_path / "faulty"
    folder.mkdir()
    noise = np.random.default_rng(1).normal(128, 80, (256, 256)).clip(0, 255).astype(np.uint8)
    sharp = Image.fromarray(noise).convert("RGB")
    ImageDraw.Draw(sharp).ellipse((60, 60, 190, 160), fill="orange")
    sharp.save(folder / "1.png")
    sharp.filter(ImageFilter.GaussianBlur(4)).save(folder / "2.png")
    Image.new("RGB", (64, 64), "blue").save(folder / "3.png")
    (folder / "4.png").write_text("404")
    (folder / "1.txt").write_text("an orange thing")
    return folder


def wanted(folder: Path) -> Recipe:
    return recipe(folder, dataset__template="subject_filewords", dataset__width=256, dataset__height=256)


async def test_each_file_has_its_mark_and_the_chosen_one_its_findings_with_what_to_do(
    faulty: Path,
) -> None:
    async with TinvApp(wanted(faulty)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        workbench.open_tab("dataset")
        pane = workbench.dataset
        await until(pilot, lambda: "blurred" in pane.pictures.plain)
        rows = pane.pictures.plain.splitlines()
        assert "✔ caption" in rows[0]
        assert "– ! blurred" in rows[1]
        assert "– ! small" in rows[2]
        assert "✖ cannot be read" in rows[3]
        pane.pictures.focus()
        await pilot.press("down")
        said = " ".join(pane.findings.plain.split())
        assert "! blurred, or enlarged from a smaller picture" in said
        assert "Use a sharper picture" in said
        assert said.endswith("mirror images do not count.")
        assert "! all: 3 pictures: 5 or more give a better embedding" in said
        pane.pictures.show([(("a row that is too long " * 9, ""),)])
        await until(pilot, lambda: any("too long" in row and "…" in row for row in screen_text(pilot.app).splitlines()))


async def test_x_leaves_a_picture_out_of_the_recipe_and_takes_it_back(faulty: Path) -> None:
    async with TinvApp(wanted(faulty)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        workbench.open_tab("dataset")
        pane = workbench.dataset
        await until(pilot, lambda: "3.png" in pane.pictures.plain)
        pane.pictures.focus()
        await pilot.press("end", "x", "up", "x")
        await until(pilot, lambda: pane.pictures.plain.count("○ left out") == 2 and not pane.is_looking)
        assert workbench.form.texts["dataset.exclude"] == '["3.png", "4.png"]'
        assert workbench.form.checked.recipe.dataset.exclude == ("3.png", "4.png")  # type: ignore[union-attr]
        assert [picture.path.name for picture in workbench.form.checked.plan.pictures] == ["1.png", "2.png"]  # type: ignore[union-attr]
        assert "○ left out of the training; x takes it back" in pane.findings.plain
        assert "small" not in pane.pictures.plain
        assert "2 · 1 caption · 2 left out" in pane.frame[1]
        await pilot.press("x")
        await until(pilot, lambda: "3.png" in pane.pictures.plain and "small" in pane.pictures.plain)
        assert workbench.form.texts["dataset.exclude"] == "4.png"
        assert len(list(faulty.iterdir())) == 5
        told = [note.text for note in pilot.app.control.notes]  # type: ignore[attr-defined]
        assert told[-1] == "3.png is trained on again"


async def test_the_list_and_the_keys_do_not_wait_for_the_pixels_and_the_frame_counts_what_was_found(
    faulty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    look = closer_look.looker.look

    def slow(*arguments: Any) -> dict[str, Any]:
        held.wait(30)
        return look(*arguments)

    monkeypatch.setattr(closer_look.looker, "look", slow)
    async with TinvApp(wanted(faulty)).run_test(size=WIDE) as pilot:
        pane = (await ready(pilot)).dataset
        await until(pilot, lambda: pane.is_looking)
        assert "looking closer" in pane.frame[1]
        assert "! small" in pane.pictures.plain
        assert "blurred" not in pane.pictures.plain
        pane.pictures.focus()
        await pilot.press("down", "down")
        assert "too small" in pane.findings.plain
        held.set()
        await until(pilot, lambda: "blurred" in pane.pictures.plain and not pane.is_looking)
        assert pane.frame[1] == "3 · 1 caption · 6 warnings · 1 error"


async def test_an_edit_that_changes_no_picture_looks_at_none_again(
    faulty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, look = list[int](), closer_look.looker.look

    def counted(*arguments: Any) -> dict[str, Any]:
        asked.append(arguments[1])
        return look(*arguments)

    monkeypatch.setattr(closer_look.looker, "look", counted)
    async with TinvApp(wanted(faulty)).run_test(size=WIDE) as pilot:
        bench = await ready(pilot)
        pane = bench.dataset
        await until(pilot, lambda: "blurred" in pane.pictures.plain and not pane.is_looking)
        bench.form.put("embedding.name", "another")
        await until(pilot, lambda: bench.form.checked.settings.name == "another" and not pane.is_looking)  # type: ignore[union-attr]
        assert "blurred" in pane.pictures.plain
        bench.form.put("dataset.height", "128")
        await until(pilot, lambda: asked == [256, 128] and not pane.is_looking)


async def test_a_library_that_breaks_down_over_a_picture_takes_only_the_closer_look_with_it(
    faulty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, over = closer_look.looker.look, threading.Event()

    def broken(*arguments: Any) -> dict[str, Any]:
        threading.Thread(target=kill_lookers, args=(over,)).start()
        return look([str(faulty / "1.png")] * 20_000, *arguments[1:])

    monkeypatch.setattr(closer_look.looker, "look", broken)
    app = TinvApp(wanted(faulty))
    async with app.run_test(size=WIDE) as pilot:
        pane = (await ready(pilot)).dataset
        await until(pilot, lambda: not pane.is_looking and bool(pane.pictures.plain))
        assert "! small" in pane.pictures.plain
        assert "blurred" not in pane.pictures.plain
        told = [note.text for note in app.control.notes]
        over.set()
        assert told[-1].startswith("the process that looks closer ")
        assert told[-1].endswith(": only headers and captions are checked")
        monkeypatch.setattr(closer_look.looker, "look", look)
        (faulty / "new.png").write_bytes((faulty / "2.png").read_bytes())
        pane.post_message(DatasetPane.FilesChanged())
        await until(pilot, lambda: "blurred" in pane.pictures.plain and not pane.is_looking)


def kill_lookers(over: threading.Event) -> None:
    """As a picture does on which the library breaks down each time."""
    while not over.wait(0.05):
        process = closer_look.looker.process
        if process is not None:
            process.kill()


async def at_the_list(pilot: Pilot[Any]) -> Workbench:
    workbench = await ready(pilot)
    workbench.open_tab("dataset")
    await until(pilot, lambda: "small" in workbench.dataset.pictures.plain and not workbench.dataset.is_looking)
    workbench.dataset.pictures.focus()
    await until(pilot, lambda: workbench.focused is workbench.dataset.pictures)
    return workbench


def names(pane: DatasetPane) -> list[str]:
    return [row.split()[0] for row in pane.pictures.plain.splitlines()]


async def test_slash_narrows_the_list_while_typing_and_escape_shows_all(faulty: Path) -> None:
    async with TinvApp(wanted(faulty)).run_test(size=NARROW) as pilot:
        workbench = await at_the_list(pilot)
        pane = workbench.dataset
        await pilot.press("down", "down", "slash", *"small")
        await until(pilot, lambda: names(pane) == ["3.png"])
        assert pane.frame[1].startswith("1 of 4 shown")
        assert "too small" in pane.findings.plain
        assert "esc all" in screen_text(pilot.app).splitlines()[-1]
        await pilot.press("enter", "x")  # back in the list letters are keys
        await until(pilot, lambda: names(pane) == [])  # what is left out has no finding any more
        await pilot.press("escape")
        await until(pilot, lambda: len(names(pane)) == 4)
        assert workbench.focused is pane.pictures
        assert "shown" not in pane.frame[1]
        await pilot.press("slash", *"thing", "down")
        await until(pilot, lambda: names(pane) == ["1.png"])
        await pilot.press("slash", "escape")
        await until(pilot, lambda: len(names(pane)) == 4)


async def test_f_counts_what_captions_say_and_enter_shows_the_pictures_that_do(faulty: Path) -> None:
    (faulty / "2.txt").write_text("an orange thing, by night")
    (faulty / "3.txt").write_text("night")
    async with TinvApp(wanted(faulty)).run_test(size=NARROW) as pilot:
        workbench = await at_the_list(pilot)
        pane = workbench.dataset
        await pilot.press("f")
        await until(pilot, lambda: isinstance(pilot.app.screen, CaptionWords))
        words = pilot.app.screen
        assert isinstance(words, CaptionWords)
        await until(pilot, lambda: "Words of 3 captions: 5" in screen_text(pilot.app))
        assert words.rows.plain.splitlines()[0].split() == ["2", "████████░░░░", "an"]
        await pilot.press("t")
        await until(pilot, lambda: "Tags of 3 captions: 3" in screen_text(pilot.app))
        await pilot.press("end", "enter")
        await until(pilot, lambda: pilot.app.screen is workbench)
        assert pane.listed.field.value == "tag:night"
        assert names(pane) == ["3.png"]
        await pilot.press("f")
        await until(pilot, lambda: isinstance(pilot.app.screen, CaptionWords))
        await pilot.press("down", "enter")
        await until(pilot, lambda: names(pane) == ["2.png", "3.png"])
        assert pane.listed.field.value == "word:night"
        await pilot.press("f", "escape")
        await until(pilot, lambda: pilot.app.screen is workbench)


async def test_enter_says_what_is_wrong_and_changes_nothing_before_it_is_answered(faulty: Path) -> None:
    async with TinvApp(wanted(faulty)).run_test(size=NARROW) as pilot:
        workbench = await at_the_list(pilot)
        pane = workbench.dataset

        async def asked(index: int, *keys: str) -> str:
            pane.pictures.go_to(index)
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
            said = screen_text(pilot.app)
            await pilot.press(*keys)
            return said

        said = await asked(2, "escape")
        assert "3.png: what to do?" in said
        assert "Too small: it is enlarged" in " ".join(said.split()) or "too small" in said
        assert all(word in said for word in ("Leave it out", "Edit its caption", "Preprocess the folder", "Cancel"))
        await until(pilot, lambda: pilot.app.screen is workbench)
        assert workbench.form.texts["dataset.exclude"] == ""

        await asked(2, "enter")  # the most helpful has the focus
        await until(pilot, lambda: "○ left out" in pane.pictures.plain)
        await asked(2, "enter")
        await until(pilot, lambda: "○ left out" not in pane.pictures.plain)

        await asked(0, "enter")  # nothing is wrong with its caption either: it can be edited
        await until(pilot, lambda: isinstance(pilot.app.screen, CaptionEditor))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is workbench)

        await asked(0, "down", "down", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, PreprocessScreen) and pilot.app.screen.is_furnished)
        screen = pilot.app.screen
        assert isinstance(screen, PreprocessScreen)
        await until(pilot, lambda: screen.form.texts["preprocess.source"] == str(faulty))
        assert screen.form.texts["preprocess.destination"] == ""
        await until(pilot, lambda: screen.focused is screen.form.control("preprocess.destination"))
