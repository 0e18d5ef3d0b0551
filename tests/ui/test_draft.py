"""What is filled in and not started is there again when the app is opened the next time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.support import NARROW, WIDE, past_run, ready, recipe, until
from tinv_tui import paths
from tinv_tui.app.app import TinvApp
from tinv_tui.app.draft import read_draft, write_draft
from tinv_tui.app.fields import FIELDS
from tinv_tui.app.form_values import texts_of
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.folder import all_runs
from tinv_tui.runs.liveness import LIVE_STATES, state_of


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_what_was_typed_and_left_is_there_again_and_one_key_takes_it_back(
    size: tuple[int, int], pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number that is none yet too, and a folder whose name was told from the working directory."""
    past_run(recipe(pictures), paths.home())
    monkeypatch.chdir(pictures.parent)
    async with TinvApp().run_test(size=size) as pilot:
        form = (await ready(pilot)).form
        assert not paths.form_draft().exists(), "nothing was edited"
        form.put_all({"dataset.path": "pictures", "training.batch_size": "2"})
        form.control("training.learning_rate").focus()
        await pilot.press("ctrl+u", *"0.00x")
        await pilot.press("ctrl+q")  # at once: typing has not rested

    monkeypatch.chdir("/")
    app = TinvApp()
    async with app.run_test(size=size) as pilot:
        form = (await ready(pilot)).form
        await until(pilot, lambda: form.texts["training.learning_rate"] == "0.00x")
        assert form.texts["training.batch_size"] == "2"
        assert form.texts["dataset.path"] == str(pictures)
        assert form.texts["embedding.name"] == "zork"
        assert any("as it was left" in note.text for note in app.control.notes)
        await pilot.press("ctrl+z", "ctrl+z")
        assert form.texts["training.learning_rate"] == "0.005"
        assert form.texts["training.batch_size"] == "1"
        await until(pilot, lambda: not paths.form_draft().exists())


async def test_what_is_started_is_a_runs_own_and_is_remembered_no_longer(pictures: Path) -> None:
    async with TinvApp(recipe(pictures, training__steps=30)).run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        workbench.form.put("training.batch_size", "2")
        await until(pilot, lambda: paths.form_draft().exists())
        workbench.form_pane.start_now()
        await until(pilot, lambda: not paths.form_draft().exists())
        await until(pilot, lambda: bool(all_runs()) and state_of(all_runs()[0])[0] not in LIVE_STATES)


async def test_who_asks_for_a_recipe_or_a_run_gets_that_and_the_rest_stays_remembered(pictures: Path) -> None:
    run = past_run(recipe(pictures, training__batch_size=3), paths.home())
    async with TinvApp().run_test(size=WIDE) as pilot:
        (await ready(pilot)).form.put("training.batch_size", "2")
        await until(pilot, lambda: paths.form_draft().exists())
    for app, batch in ((TinvApp(recipe(pictures)), "1"), (TinvApp(run=run), "3")):
        async with app.run_test(size=WIDE) as pilot:
            assert (await ready(pilot)).form.texts["training.batch_size"] == batch
    async with TinvApp().run_test(size=WIDE) as pilot:
        form = (await ready(pilot)).form
        await until(pilot, lambda: form.texts["training.batch_size"] == "2")


async def test_of_two_windows_neither_takes_away_what_the_other_has_and_the_one_left_last_is_remembered(
    pictures: Path,
) -> None:
    past_run(recipe(pictures), paths.home())
    async with TinvApp().run_test(size=WIDE) as one:
        form = (await ready(one)).form
        form.put("training.batch_size", "2")
        await until(one, lambda: paths.form_draft().exists())
        async with TinvApp(recipe(pictures)).run_test(size=WIDE) as two:
            other = (await ready(two)).form
            other.put("training.batch_size", "3")
            await until(two, lambda: '"batch_size": 3' in paths.form_draft().read_text())
            other.put("training.batch_size", "1")
            await until(two, lambda: not paths.form_draft().exists())
    async with TinvApp().run_test(size=WIDE) as one:
        form = (await ready(one)).form
        await until(one, lambda: form.texts["training.batch_size"] == "2")
        async with TinvApp(recipe(pictures)).run_test(size=WIDE) as two:
            (await ready(two)).form.put("training.batch_size", "1")
        assert paths.form_draft().exists(), "it is the first one's"


def test_a_field_that_holds_neither_as_it_is_nor_as_it_was_is_written_down_as_it_stands(pictures: Path) -> None:
    """A count of -1 goes to the end where counts are end steps, and is none where they are further steps."""
    base = recipe(pictures, training__learning_rate="0.005:500, 0.001:-1", training__rate_steps="absolute")
    texts = texts_of(base, FIELDS) | {"training.rate_steps": "duration", "training.batch_size": "2"}
    write_draft(texts, base, Path.cwd())
    draft = read_draft()
    assert draft is not None
    assert texts_of(draft.recipe, FIELDS) | draft.unread == texts


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        pytest.param("[" * 100_000, id="deep"),
        '{"recipe": {"training": {"hats": 3}}, "unread": {}}',
        '{"unread": 1}',
    ],
)
async def test_one_that_cannot_be_read_is_as_none(content: str, pictures: Path) -> None:
    past_run(recipe(pictures), paths.home())
    paths.form_draft().write_text(content)
    async with TinvApp().run_test(size=NARROW) as pilot:
        form = (await ready(pilot)).form
        assert to_toml(form.base) == to_toml(recipe(pictures))
