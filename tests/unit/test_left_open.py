"""What a recipe left open is settled by its run, and open again in the form of the next one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.ui.support import recipe
from tinv_tui.app.opening import first_shown
from tinv_tui.recipe_file import load_recipe, to_toml
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.left_open import recipe_as_asked
from tinv_tui.runs.plan import plan_run


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        Image.new("RGB", (64, 64), (number, 0, 0)).save(folder / f"{number}.png")
    return folder


def run_of(pictures: Path, **changes: Any) -> RunFolder:
    return make_run(plan_run(recipe(pictures, **changes), pictures))


def test_the_run_has_numbers_and_what_fills_in_the_next_form_has_none(pictures: Path) -> None:
    run = run_of(pictures, training__seed=-1)
    settled = load_recipe(run.recipe)
    assert settled.training.seed >= 0
    assert (settled.dataset.width, settled.preview.height) == (64, 64)
    for shown in (
        recipe_as_asked(run),
        first_shown(None, None, start=False)[0],
        first_shown(None, run, start=False)[0],
    ):
        assert shown.training.seed == -1
        assert (shown.dataset.width, shown.dataset.height, shown.preview.width, shown.preview.height) == (0, 0, 0, 0)
        assert (shown.training.steps, shown.dataset.path) == (5000, str(pictures))


def test_what_was_told_stays_and_so_does_what_was_changed_in_the_run(pictures: Path) -> None:
    run = run_of(pictures, training__seed=77, dataset__width=64)
    changed = load_recipe(run.recipe).model_dump()
    changed["preview"]["width"] = 128
    run.recipe.write_text(to_toml(type(recipe(pictures)).model_validate(changed)))
    asked = recipe_as_asked(run)
    assert (asked.training.seed, asked.dataset.width, asked.preview.width) == (77, 64, 128)
    assert (asked.dataset.height, asked.preview.height) == (0, 0)


@pytest.mark.parametrize("content", [None, "", "[]", '"training.seed"'])
def test_where_nothing_is_noted_the_recipe_is_as_it_stands(pictures: Path, content: str | None) -> None:
    run = run_of(pictures)
    run.left_open.unlink()
    if content is not None:
        run.left_open.write_text(content)
    assert recipe_as_asked(run) == load_recipe(run.recipe)
