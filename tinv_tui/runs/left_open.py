"""What a recipe left open for its run to settle, so that the form of the next run can leave it open again."""

from __future__ import annotations

import json
from typing import Any

from tinv_tui.atomic import write_atomic
from tinv_tui.recipe import Recipe
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.folder import RunFolder

_OPEN: dict[str, Any] = {
    "model.prediction_type": "auto",
    "dataset.width": 0,
    "dataset.height": 0,
    "training.seed": -1,
    "preview.width": 0,
    "preview.height": 0,
}
"""What each says that is left open: the base model, or chance, decides."""


def settled_by_the_run(asked: Recipe, settled: Recipe) -> dict[str, Any]:
    """The settings that were left open, by key, and what they came to."""
    then, now = asked.model_dump(), settled.model_dump()
    found = dict[str, Any]()
    for key, is_open in _OPEN.items():
        section, _, name = key.partition(".")
        if then[section][name] == is_open != now[section][name]:
            found[key] = now[section][name]
    return found


def note_what_was_open(folder: RunFolder, settled: dict[str, Any]) -> None:
    """Of a run that is being made. Raises OSError."""
    if settled:
        write_atomic(folder.left_open, json.dumps(settled))


def recipe_as_asked(folder: RunFolder) -> Recipe:
    """The recipe of a run, in which is open again what it settled itself and nobody has changed since. Raises InputError."""
    recipe = load_recipe(folder.recipe)
    try:
        settled = json.loads(folder.left_open.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return recipe
    if not isinstance(settled, dict):
        return recipe
    values = recipe.model_dump()
    for key, is_open in _OPEN.items():
        section, _, name = key.partition(".")
        if key in settled and settled[key] == values[section][name]:
            values[section][name] = is_open
    return Recipe.model_validate(values)
