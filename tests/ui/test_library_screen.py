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
        await pilot.press("enter")
        await pilot.pause()
        assert pilot.app.screen is screen  # it is not taken


async def taken(pilot: Pilot[Any], *keys: str) -> Workbench:
    await pilot.press(*keys, "enter")
    await until(pilot, lambda: isinstance(pilot.app.screen, Workbench))
    workbench = pilot.app.screen
    assert isinstance(workbench, Workbench)
    return workbench


async def test_enter_takes_one_to_the_train_screen_and_r_reads_the_folder_again(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        (await ready(pilot)).open_tab("loss")
        screen = await opened(pilot)
        form = (await taken(pilot, "down")).form
        assert pilot.app.screen.has_class("-tab-form")
        assert (form.texts["embedding.name"], form.texts["embedding.continue_from"]) == ("fresh", "")
        await until(pilot, lambda: form.note_at("embedding.name") == "created: 2 vectors, step 0")
        assert form.checked.plan is not None

        await opened(pilot)
        await taken(pilot, "home", "down", "down")
        assert (form.texts["embedding.name"], form.texts["embedding.continue_from"]) == ("trained", "trained")
        await until(pilot, lambda: form.note_at("embedding.continue_from") == "3 vectors, step 500")
        assert form.checked.plan is not None

        await opened(pilot)
        await pilot.press("home", "down")
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
