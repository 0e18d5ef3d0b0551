"""The library screen, and the drop-down of the form: every file is there, with a reason where it cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot

from tests.ui.support import NARROW, WIDE, ready, recipe, screen_text, until
from tinv_tui import paths
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.library import LibraryScreen
from tinv_tui.app.screens.pick import PickScreen
from tinv_tui.app.screens.workbench import Workbench
from tinv_tui.embeddings.files import Embedding, write_embedding


def put(name: str, step: int, width: int = 64, vectors: int = 2) -> None:
    paths.embeddings_folder().mkdir(parents=True, exist_ok=True)
    rows = np.full((vectors, width), 0.1, np.float32)
    write_embedding(paths.embeddings_folder() / f"{name}.safetensors", Embedding(name, {"emb_params": rows}, step))


@pytest.fixture(autouse=True)
def library() -> None:
    put("fresh", 0)
    put("trained", 500, vectors=3)
    put("wide", 100, width=768)
    (paths.embeddings_folder() / "broken.safetensors").write_text("half a file")


async def opened(pilot: Pilot[Any]) -> LibraryScreen:
    await ready(pilot)
    await pilot.press("f6")
    await until(pilot, lambda: isinstance(pilot.app.screen, LibraryScreen))
    screen = pilot.app.screen
    assert isinstance(screen, LibraryScreen)
    await until(pilot, lambda: screen.chosen is not None)
    return screen


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_every_file_is_listed_with_what_it_holds_or_a_reason(size: tuple[int, int], pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=size) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: "2 to train · 2 not" in screen_text(pilot.app))
        rows = {line.split()[0]: line for line in screen.rows.plain.splitlines()}
        assert "! is not a readable safetensors file" in rows["broken.safetensors"]
        assert "! it is 768 wide" in rows["wide"]
        assert rows["trained"].split()[1:5] == ["3×64", "–", "500", "0.80"]
        await pilot.press("end")
        await until(pilot, lambda: "it is 768 wide" in screen.facts.plain)
        said = " ".join(screen.facts.plain.split())
        assert "cannot be trained: it is 768 wide; this SD 1.x model takes 64" in said


@pytest.mark.parametrize(("key", "name", "before"), [("down", "fresh", ""), ("down down", "trained", "trained")])
async def test_enter_takes_one_to_the_train_screen(key: str, name: str, before: str, pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        await opened(pilot)
        await pilot.press(*key.split(), "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Workbench))
        workbench = pilot.app.screen
        assert isinstance(workbench, Workbench)
        texts = workbench.form.texts
        assert (texts["embedding.name"], texts["embedding.continue_from"]) == (name, before)
        noted = "embedding.continue_from" if before else "embedding.name"
        said = "3 vectors, step 500" if before else "created: 2 vectors, step 0"
        await until(pilot, lambda: workbench.form.note_at(noted) == said)
        assert workbench.form.checked.plan is not None


async def test_one_that_cannot_be_trained_is_not_taken(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        screen = await opened(pilot)
        await pilot.press("end", "enter")
        await pilot.pause()
        assert pilot.app.screen is screen


async def test_r_reads_it_again(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        screen = await opened(pilot)
        await pilot.press("down")
        put("another", 0)
        await pilot.press("r")
        await until(pilot, lambda: "another" in screen.rows.plain)
        assert screen.chosen is not None
        assert screen.chosen.entry.name == "fresh"  # the cursor stays on its file


async def test_the_forms_list_greys_what_does_not_fit_and_is_read_again_by_a_key(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        form = (await ready(pilot)).form
        form.control("embedding.name").focus()
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(pilot.app.screen, PickScreen))
        text = screen_text(pilot.app)
        assert "trained             3 vectors, step 500" in text
        assert "✖ it is 768 wide" in text
        assert "✖ is not a readable" in text
        put("another", 0)
        await pilot.press("r")
        await until(pilot, lambda: "another" in screen_text(pilot.app))
        await pilot.press("end", "enter")  # wide: greyed
        await pilot.pause()
        assert isinstance(pilot.app.screen, PickScreen)
        await pilot.press("home", "enter")
        await until(pilot, lambda: form.texts["embedding.name"] == "another")
