"""Plans of a recipe on the bundled model and five pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.runs.plan import RunPlan, plan_run


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path) -> Path:
    """Five captioned pictures of the bundled model's size in the folder ``pictures``."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        Image.new("RGB", (64, 64), (number, 0, 0)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"red, thing {number}")
    return folder


def recipe(**changes: Any) -> Recipe:
    """A recipe on the bundled model; ``section__key=value`` changes a key."""
    values: dict[str, dict[str, Any]] = {
        "model": {"path": "bundled"},
        "embedding": {"name": "zork"},
        "dataset": {"path": "pictures"},
    }
    for key, value in changes.items():
        section, _, name = key.partition("__")
        values.setdefault(section, {})[name] = value
    return make_recipe(values)


@pytest.fixture
def plan(tmp_path: Path) -> Any:
    return lambda **changes: plan_run(recipe(**changes), tmp_path)


def codes(plan: RunPlan) -> list[str]:
    return [code for code, _ in plan.warnings]


def message(plan: RunPlan, code: str) -> str:
    return next(message for found, message in plan.warnings if found == code)
