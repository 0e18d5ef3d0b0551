"""Create embedding: what becomes of the phrase shows while one types, and the train screen is told the name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot

from tests.captioners import save_blip
from tests.ui.support import NARROW, WIDE, past_welcome, ready, recipe, screen_text, until
from tinv_tui import paths
from tinv_tui.app.app import TinvApp
from tinv_tui.app.form_values import Checked
from tinv_tui.app.screens.create import CreateScreen
from tinv_tui.app.screens.workbench import Workbench
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.datasets.captioner_models import BLIP_MODEL
from tinv_tui.embeddings.files import Embedding, read_embedding, write_embedding


async def opened(pilot: Pilot[Any]) -> CreateScreen:
    """The Create screen, once its form has been checked."""
    await ready(pilot)
    await pilot.press("f3")
    await until(pilot, lambda: isinstance(pilot.app.screen, CreateScreen))
    screen = pilot.app.screen
    assert isinstance(screen, CreateScreen)
    await until(pilot, lambda: bool(screen.form.checked.notes))
    return screen


def words(app: Any) -> str:
    return " ".join(screen_text(app).replace("│", " ").split())


async def test_tokens_vectors_and_what_is_left_show_live_and_a_field_has_its_help(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        screen = await opened(pilot)
        screen.form.put("embedding.vectors", "4")
        screen.form.put("embedding.init_text", "red star")
        await until(pilot, lambda: "red → 1–2, star → 3–4" in words(pilot.app))
        assert "71 of 75 tokens left" in words(pilot.app)
        screen.form.put("embedding.vectors", "76")
        await until(pilot, lambda: "76 is not a whole number from 1 to 75" in words(pilot.app))
        screen.form.control("embedding.vectors").focus()
        await pilot.press("f1")
        await until(pilot, lambda: "want more pictures" in words(pilot.app))
        await pilot.press("escape", "escape", "5")
        await until(pilot, lambda: pilot.app.screen.id == "library")


async def test_where_there_is_room_every_vector_stands_beside_its_token_and_the_name_has_its_warnings(
    pictures: Path,
) -> None:
    async with TinvApp(recipe(pictures, embedding__name="red")).run_test(size=WIDE) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: "is one ordinary word of the model" in words(pilot.app))
        screen.form.put("embedding.name", "zo*rk")
        await until(pilot, lambda: "the embedding is called 'zork'" in words(pilot.app))
        screen.form.put("embedding.vectors", "3")
        screen.form.put("embedding.init_text", "a red star on blue")
        await until(pilot, lambda: "→ vector 3" in words(pilot.app))
        assert "72 of 75 tokens left" in words(pilot.app)
        screen.form.put("embedding.init_text", "")
        await until(pilot, lambda: "all vectors start at zero" in words(pilot.app))
        assert not paths.embeddings_folder().exists()


async def test_ctrl_s_writes_it_and_selects_it_in_train(pictures: Path) -> None:
    async with TinvApp(recipe(pictures, embedding__name="")).run_test(size=NARROW) as pilot:
        screen = await opened(pilot)
        await pilot.press(*"plork*")
        screen.form.put("embedding.vectors", "2")
        screen.form.put("embedding.init_text", "red star")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "plork.safetensors is created and selected in Train" in words(pilot.app))
        await screen.form.check_now(all_fields=True)
        await pilot.pause()
        assert not screen.form.error_at("embedding.name")  # though there is one of that name now
        assert "to put right" not in screen_text(pilot.app)
        made = read_embedding(paths.embeddings_folder() / "plork.safetensors")
        assert (made.name, made.step, made.count) == ("plork", 0, 2)
        await pilot.press("f2")
        await until(pilot, lambda: isinstance(pilot.app.screen, Workbench))
        workbench = pilot.app.screen
        assert isinstance(workbench, Workbench)
        assert workbench.form.texts["embedding.name"] == "plork"
        assert workbench.form.texts["embedding.vectors"] == "2"
        await until(pilot, lambda: workbench.form.note_at("embedding.name") == "created: 2 vectors, SD1, step 0")


async def test_the_foot_shows_what_was_said_last_also_where_its_size_has_changed_meanwhile(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        foot = (await opened(pilot)).foot
        foot.show(Checked(), ("~", "making it"))
        foot.on_resize()
        foot.show(Checked(), ("✔", "it is made"))
        await pilot.pause(0.2)
        assert "it is made" in foot.query_one(Lines).plain


async def test_a_name_that_is_taken_is_not_taken_over_but_said_at_its_field_and_nothing_is_written(
    pictures: Path,
) -> None:
    paths.embeddings_folder().mkdir(parents=True)
    path = paths.embeddings_folder() / "zork.safetensors"
    write_embedding(path, Embedding("zork", {"emb_params": np.ones((1, 64), np.float32)}, 500))
    before = path.read_bytes()
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        screen = await opened(pilot)
        assert (screen.form.texts["embedding.name"], screen.form.texts["model.path"]) == ("", "bundled")
        assert not screen.form.error_at("embedding.name")
        await pilot.press(*"zork", "ctrl+s")
        await until(pilot, lambda: "is there already" in screen.form.error_at("embedding.name"))
        assert screen.focused is screen.form.control("embedding.name")
        assert path.read_bytes() == before
        screen.form.control("embedding.overwrite").focus()
        await pilot.press("space", "ctrl+s")
        await until(pilot, lambda: "is created" in words(pilot.app))
        assert read_embedding(path).step == 0


async def test_a_name_that_no_file_can_have_is_taken_over_with_what_is_wrong_with_it(pictures: Path) -> None:
    paths.embeddings_folder().mkdir(parents=True)
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        workbench.form.put("embedding.name", "x" * 300)
        await until(pilot, lambda: "longer than 200 bytes" in workbench.form.error_at("embedding.name"))
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(pilot.app.screen, CreateScreen))
        screen = pilot.app.screen
        assert isinstance(screen, CreateScreen)
        await until(pilot, lambda: "longer than 200 bytes" in screen.form.error_at("embedding.name"))


async def test_an_empty_form_asks_for_nothing_until_it_is_used() -> None:
    async with TinvApp().run_test(size=NARROW) as pilot:
        await past_welcome(pilot)
        screen = await opened(pilot)
        assert not screen.form.error_at("embedding.name")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: screen.form.error_at("embedding.name") == "is required")


async def test_suggest_fills_the_init_text_with_what_a_captioner_says_of_a_picture_or_says_what_is_missing(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        screen = await opened(pilot)
        before = screen.form.texts["embedding.init_text"]
        await pilot.press("f7")
        await until(pilot, lambda: "not on this machine" in words(pilot.app))
        screen.form.put("dataset.path", "")
        await pilot.press("f7")
        await until(pilot, lambda: "no picture to ask about" in words(pilot.app))
        assert screen.form.texts["embedding.init_text"] == before

        save_blip(tmp_path / "home" / "models" / BLIP_MODEL)
        screen.form.put("dataset.path", str(pictures))
        await pilot.press("f7")
        await until(pilot, lambda: "blip looks at 001.png" in words(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: "the suggestion was stopped" in words(pilot.app))
        await pilot.press("f7")
        await until(pilot, lambda: "✔ blip on 002.png" in words(pilot.app), seconds=90)
        assert screen.form.texts["embedding.init_text"] not in ("", before)
