"""The dataset pane tells what is wrong: the list at once, what pixels say a moment later."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from tests.ui.support import NARROW, WIDE, ready, recipe, until
from tinv_tui.app.app import TinvApp
from tinv_tui.datasets import checks


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


def wanted(folder: Path) -> object:
    return recipe(folder, dataset__template="subject_filewords", dataset__width=256, dataset__height=256)


async def test_each_file_has_its_mark_and_the_chosen_one_its_findings_with_what_to_do(
    faulty: Path,
) -> None:
    async with TinvApp(wanted(faulty)).run_test(size=NARROW) as pilot:  # type: ignore[arg-type]
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


async def test_x_leaves_a_picture_out_of_the_recipe_and_takes_it_back(faulty: Path) -> None:
    async with TinvApp(wanted(faulty)).run_test(size=NARROW) as pilot:  # type: ignore[arg-type]
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
    look = checks.look_at_all

    def slow(*arguments: object, **options: object) -> object:
        held.wait(30)
        return look(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(checks, "look_at_all", slow)
    async with TinvApp(wanted(faulty)).run_test(size=WIDE) as pilot:  # type: ignore[arg-type]
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
