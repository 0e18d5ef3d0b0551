"""The model browser: every base model with what it is, narrowed by typing; one is taken, hashed, added or fetched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.hub import FakeHub, bundled_files, serve
from tests.ui.support import NARROW, WIDE, has_help, ready, recipe, screen_text, until
from tests.unit.test_families import SD15, SD21, make_model
from tinv_tui import paths, settings
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.ask_path import AskPathScreen
from tinv_tui.app.screens.create import CreateScreen
from tinv_tui.app.screens.fetch import FetchScreen
from tinv_tui.app.screens.library import LibraryScreen
from tinv_tui.app.screens.models import ModelsScreen
from tinv_tui.app.screens.workbench import Workbench
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.models import hub
from tinv_tui.models.hashes import known_hash

ID = "someone/tiny-sd"


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with serve({ID: bundled_files()}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def own() -> Path:
    folder = paths.home() / "models"
    make_model(folder / "anime" / "counterfeit", SD15)
    make_model(folder / "sd21", SD21)
    (folder / "style-lora.ckpt").write_bytes(b"")
    return folder


def words(screen: ModelsScreen) -> str:
    return " ".join(screen.query_one("#models-words", Lines).plain.split())


async def opened(pilot: Pilot[Any]) -> ModelsScreen:
    await pilot.press("f9")
    await until(pilot, lambda: isinstance(pilot.app.screen, ModelsScreen) and "to train on" in screen_text(pilot.app))
    screen = pilot.app.screen
    assert isinstance(screen, ModelsScreen)
    return screen


def shown(screen: ModelsScreen) -> list[str]:
    return [line.split()[0] for line in screen.rows.plain.splitlines()]


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_all_are_listed_with_what_they_are_and_typing_narrows_to_the_one_that_enter_takes(
    size: tuple[int, int], own: Path, pictures: Path
) -> None:
    wanted = recipe(pictures, model__path=str(own / "sd21"))
    async with TinvApp(wanted).run_test(size=size) as pilot:
        workbench = await ready(pilot)
        screen = await opened(pilot)
        assert shown(screen) == ["bundled", "counterfeit", "sd21", "style-lora"]
        assert screen.marked is not None
        assert screen.marked.name == "sd21"
        text = screen_text(pilot.app)
        assert "3 to train on · 1 not" in text
        assert "SD 2.x    768" in text
        assert str(own / "sd21")[-20:] in text
        assert "esc close" in text
        assert "✖" in next(line for line in text.splitlines() if "style-lora" in line)

        await has_help(pilot, "f1", "owner/name is a model")

        await pilot.press("down", "enter")
        await until(pilot, lambda: "cannot be trained on:" in screen_text(pilot.app))
        assert pilot.app.screen is screen  # it is not taken

        await pilot.press(*"anime")
        await until(pilot, lambda: shown(screen) == ["counterfeit"])
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Workbench))
        assert workbench.form.texts["model.path"] == str(own / "anime" / "counterfeit")


async def test_from_create_it_goes_into_that_form_and_from_elsewhere_into_train(own: Path, pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(pilot.app.screen, CreateScreen))
        create = pilot.app.screen
        assert isinstance(create, CreateScreen)
        await opened(pilot)
        await pilot.press(*"sd21", "enter")
        await until(pilot, lambda: pilot.app.screen is create)
        assert create.form.texts["model.path"] == str(own / "sd21")
        assert workbench.form.texts["model.path"] == "bundled"

        await pilot.press("f6")
        await until(pilot, lambda: isinstance(pilot.app.screen, LibraryScreen))
        await opened(pilot)
        await pilot.press(*"counter", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Workbench))
        assert workbench.form.texts["model.path"] == str(own / "anime" / "counterfeit")


async def test_the_hash_of_the_marked_one_is_computed_on_demand_and_escape_stops_that_first(
    own: Path, pictures: Path
) -> None:
    large = make_model(paths.home() / "models" / "large", SD15)
    with (large / "unet" / "model.safetensors").open("wb") as file:
        file.truncate(40_000_000_000)
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        await ready(pilot)
        screen = await opened(pilot)
        await pilot.press(*"sd21", "f7")
        await until(pilot, lambda: "the hash of sd21 is" in screen_text(pilot.app))
        digits = known_hash(own / "sd21")
        assert digits is not None
        assert screen_text(pilot.app).count(digits) == 2  # in its row, and said

        await pilot.press(*["backspace"] * 4, *"large", "f7")
        await until(pilot, lambda: "left" in screen_text(pilot.app))  # rate and time left
        await pilot.press("escape")
        await until(pilot, lambda: "not computed to its end" in screen_text(pilot.app))
        assert (pilot.app.screen, known_hash(large)) == (screen, None)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, Workbench))


async def test_without_models_of_ones_own_it_says_what_to_do_and_a_folder_is_added(
    pictures: Path, tmp_path: Path
) -> None:
    make_model(tmp_path / "disk" / "two", SD15)
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        await ready(pilot)
        screen = await opened(pilot)
        assert "f8 names a folder" in screen_text(pilot.app)
        await pilot.press("f8")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskPathScreen))
        pilot.app.screen.query_one("#path", Input).value = str(tmp_path / "disk")
        await pilot.press("enter")
        await until(pilot, lambda: "is listed as a folder of models" in words(screen))
        assert shown(screen) == ["bundled", "two"]
        assert settings.load_settings().folders.models == (str(tmp_path / "disk"),)


async def test_wrong_settings_are_said(own: Path, pictures: Path) -> None:
    settings.settings_file().write_text("[folders]\nmodel = []\n")
    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        await ready(pilot)
        screen = await opened(pilot)
        await until(pilot, lambda: "there is no key folders.model" in words(screen))


async def test_a_hub_id_that_is_typed_is_fetched_after_a_question(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        await opened(pilot)
        await pilot.press(*"someone", "slash", *"tiny-sd")
        await until(pilot, lambda: f"enter fetches {ID}" in screen_text(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, FetchScreen))
        assert hub.cached_folder(ID) is None
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Workbench))
        assert workbench.form.texts["model.path"] == ID
        assert hub.cached_folder(ID) is not None


async def test_start_asks_before_it_fetches_and_starts_nothing_without(pictures: Path, there: FakeHub) -> None:
    async with TinvApp(recipe(pictures, model__path=ID, dataset__path="/not/there")).run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: bool(workbench.form.error_at("dataset.path")))
        assert isinstance(pilot.app.screen, Workbench)  # with something else amiss nothing is fetched

        workbench.form.put("dataset.path", str(pictures))
        await until(pilot, lambda: "not on this machine" in workbench.form.error_at("model.path"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, FetchScreen))
        there.seconds = 60
        await pilot.press("enter")
        await until(pilot, lambda: "/s" in screen_text(pilot.app) and "left" in screen_text(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, Workbench))
        await until(pilot, lambda: not list(hub.cache_folder().rglob("*.incomplete")))  # the job is over
        assert hub.cached_folder(ID) is None
        assert pilot.app.control.now is None


async def test_create_asks_too_and_goes_on_when_the_model_is_there(pictures: Path) -> None:
    async with TinvApp(recipe(pictures, model__path=ID)).run_test(size=NARROW) as pilot:
        await ready(pilot)
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(pilot.app.screen, CreateScreen))
        await until(pilot, lambda: "not on this machine" in screen_text(pilot.app))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, FetchScreen))
        await pilot.press("enter")
        await until(pilot, lambda: (paths.embeddings_folder() / "zork.safetensors").is_file())
        assert isinstance(pilot.app.screen, CreateScreen)
