"""Which settings of a run may change once it has begun, and what a change makes of its recipe."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from tinv_tui.errors import InputError
from tinv_tui.recipe import Recipe, all_keys, is_text, make_recipe
from tinv_tui.recipe_file import apply_override, parse_value
from tinv_tui.schedule import HIGH_RATE, TOO_HIGH, changed_from, parse_rates

_FIXED = ("saving.log_directory",)
CHANGEABLE: tuple[str, ...] = (
    "training.learning_rate",
    "training.rate_steps",
    "training.steps",
    "training.minutes",
    "training.clip",
    "training.clip_schedule",
    "training.cap_norm",
    *(key for key in all_keys() if key.startswith(("saving.", "preview.")) and key not in _FIXED),
)
"""What says how to go on, not what has been done: vectors, pictures and prompts stay as the run began with them."""

_AT_A_RESUME = (
    "training.rate_steps",  # it gives the whole rate text, the steps behind too, another meaning
    "training.clip",
    "training.clip_schedule",
    "saving.tensorboard",
    "preview.tiny_vae",  # loaded with the model
)
LIVE: tuple[str, ...] = tuple(key for key in CHANGEABLE if key not in _AT_A_RESUME)
"""What may change while the run goes on."""

Change = tuple[str, Any, Any]
"""Key, old and new value, as JSON has them."""


def change_recipe(recipe: Recipe, overrides: Sequence[str], step: int = 0) -> tuple[Recipe, list[Change]]:
    """The recipe of a run that was trained up to ``step``, with ``section.key=value`` overrides, and what they changed.

    Schedules go on telling what holds up to there, as after :func:`change_live`. Raises InputError for other keys.
    """
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
    changes = [(key, _value(before, key), _value(after, key)) for key in differing]
    if not step or "training.rate_steps" in differing:  # which gives the whole of a text another meaning
        return changed, changes
    for key, old, new in changes:
        # What was not clipped, or in another way, no schedule of limits tells.
        if key == "training.learning_rate" or (key == "training.clip_schedule" and "training.clip" not in differing):
            after = _with(after, key, changed_from(old, new, step, recipe.training.rate_steps, key=key))
    return make_recipe(after, "--set"), changes


def change_live(recipe: Recipe, key: str, value: Any, step: int) -> tuple[Recipe, Change | None]:
    """The recipe after a change of one key of :data:`LIVE` at ``step``, and the change, if it is one.

    ``value`` is the key's, or its text as after ``--set``. A new rate holds from the next step on, and the recipe's rate
    text tells the old one up to there: the recipe still says how every step was trained. Raises InputError.
    """
    if key not in LIVE:
        near = [] if key in all_keys() else difflib.get_close_matches(key, LIVE, n=1, cutoff=0.5)
        may = "The rate, the steps and most of [saving] and [preview] may change while a run goes on"
        if key in CHANGEABLE:
            raise InputError("not-changeable", f"{key} changes only at a resume", "Stop the run, then resume --set.")
        meant = f"Did you mean {near[0]}?" if near else f"{may}."
        raise InputError("not-changeable", f"{key} cannot change while a run goes on", meant)
    before = recipe.model_dump(mode="json")
    asked = make_recipe(_with(before, key, _as_typed(key, value)), "set")
    if asked.training.steps <= step:
        message = f"training.steps = {asked.training.steps}: the run is at step {step} already"
        raise InputError("steps-passed", message, "To end it here, stop it.")
    new = _value(asked.model_dump(mode="json"), key)
    recorded = new
    if key == "training.learning_rate":
        recorded = changed_from(_value(before, key), new, step, recipe.training.rate_steps)
    if recorded == _value(before, key):
        return recipe, None
    return make_recipe(_with(before, key, recorded), "set"), (key, _value(before, key), new)


def rates_ahead(recipe: Recipe, step: int) -> tuple[str, str]:
    """The rates that a run takes after a step, in words, and what there is to warn of in them; "" for nothing."""
    training = recipe.training
    ahead = parse_rates(training.learning_rate, training.steps, training.rate_steps).after(step)
    is_high = any(span.rate >= HIGH_RATE for span in ahead.spans)
    return ahead.in_words(), TOO_HIGH if is_high else ""


def _as_typed(key: str, value: Any) -> Any:
    if is_text(key):
        return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    return parse_value(key, value) if isinstance(value, str) else value


def _with(values: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    section, _, name = key.partition(".")
    return {**values, section: {**values[section], name: value}}


def _value(values: dict[str, Any], key: str) -> Any:
    section, _, name = key.partition(".")
    return values[section][name]
