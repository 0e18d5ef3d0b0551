"""Which settings of a run may change once it has begun, and what a change makes of its recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinv_tui.errors import InputError
from tinv_tui.recipe import Recipe, all_keys, apply_override, make_recipe

_FIXED = ("saving.log_directory",)
CHANGEABLE: tuple[str, ...] = (
    "training.learning_rate",
    "training.rate_steps",
    "training.steps",
    "training.clip",
    "training.clip_schedule",
    *(key for key in all_keys() if key.startswith(("saving.", "preview.")) and key not in _FIXED),
)
"""What says how to go on, not what has been done: vectors, pictures and prompts stay as the run began with them."""

Change = tuple[str, Any, Any]
"""Key, old and new value, as JSON has them."""


def change_recipe(recipe: Recipe, overrides: Sequence[str]) -> tuple[Recipe, list[Change]]:
    """The recipe with ``section.key=value`` overrides, and what they changed. Raises InputError for other keys."""
    before = recipe.model_dump(mode="json")
    values = recipe.model_dump(mode="json")
    for override in overrides:
        apply_override(values, override)
        key = override.partition("=")[0].strip()
        if key not in CHANGEABLE:
            raise InputError(
                "not-changeable",
                f"--set {key}: a run keeps the {key} it began with",
                "Rates, steps, clipping, [saving] and [preview] may change. For the rest, train the recipe as a new run.",
            )
    changed = make_recipe(values, "--set")
    after = changed.model_dump(mode="json")
    differing = [key for key in CHANGEABLE if _value(before, key) != _value(after, key)]
    return changed, [(key, _value(before, key), _value(after, key)) for key in differing]


def _value(values: dict[str, Any], key: str) -> Any:
    section, _, name = key.partition(".")
    return values[section][name]
