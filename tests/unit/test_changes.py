"""What of a recipe may change while its run goes on."""

from __future__ import annotations

from typing import Any

import pytest

from tinv_tui.errors import InputError
from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.runs.changes import CHANGEABLE, LIVE, change_live, change_recipe, rates_ahead


def recipe(**training: Any) -> Recipe:
    return make_recipe({"training": {"steps": 100, **training}})


@pytest.mark.parametrize(
    ("key", "value", "told", "kept"),
    [
        ("training.learning_rate", "0.001", "0.001", "0.005:40, 0.001"),
        ("training.learning_rate", 0.001, "0.001", "0.005:40, 0.001"),  # a number, as another program may write it
        ("training.steps", 41, 41, 41),
        ("training.steps", "5000", 5000, 5000),
        ("preview.prompts", '["a zork"]', ["a zork"], ("a zork",)),
        ("preview.prompts", ["a zork", "two"], ["a zork", "two"], ("a zork", "two")),
        ("saving.image_every", 0, 0, 0),
        ("preview.cfg", 5, 5.0, 5.0),
    ],
)
def test_a_change_is_told_as_it_was_asked_for_and_kept_as_the_run_was_trained(
    key: str, value: Any, told: Any, kept: Any
) -> None:
    before = recipe()
    changed, change = change_live(before, key, value, 40)
    section, _, name = key.partition(".")
    assert change is not None
    assert change[0] == key
    assert change[2] == told
    assert getattr(getattr(changed, section), name) == kept
    assert before == recipe()


def test_what_is_so_already_is_no_change() -> None:
    assert change_live(recipe(), "training.learning_rate", "0.005", 40) == (recipe(), None)
    assert change_live(recipe(), "training.steps", 100, 40)[1] is None


@pytest.mark.parametrize(
    ("key", "value", "code", "words"),
    [
        ("training.steps", 40, "steps-passed", "at step 40"),
        ("training.steps", 0, "recipe-value", "from 1 to"),
        ("training.steps", "many", "recipe-type", "a whole number"),
        ("training.learning_rate", "fast", "rate-malformed", "not a number"),
        ("training.learning_rate", ["0.1"], "recipe-value", "text"),
        ("embedding.vectors", 3, "not-changeable", "cannot change"),
        ("training.clip", "norm", "not-changeable", "only at a resume"),
        ("no.such", 1, "not-changeable", "cannot change"),
        ("", "", "not-changeable", "cannot change"),
    ],
)
def test_a_change_that_cannot_be_made_says_why(key: str, value: Any, code: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        change_live(recipe(), key, value, 40)
    assert caught.value.code == code
    assert words in caught.value.message


def test_the_nearest_key_is_named() -> None:
    with pytest.raises(InputError, match=r"Did you mean training\.learning_rate\?"):
        change_live(recipe(), "training.learningrate", "0.1", 1)


def test_what_may_change_live_may_change_at_a_resume_too() -> None:
    assert set(LIVE) < set(CHANGEABLE)


@pytest.mark.parametrize(
    ("overrides", "step", "rates", "clips"),
    [
        (["training.learning_rate=0.001"], 40, "0.005:40, 0.001", "0.1"),
        (["training.learning_rate=0.02:60, 0.001"], 40, "0.005:40, 0.02:20, 0.001", "0.1"),
        (["training.learning_rate=0.001"], 0, "0.001", "0.1"),
        (["training.clip_schedule=1"], 40, "0.005", "0.1:40, 1.0"),
        (["training.clip_schedule=1", "training.clip=norm"], 40, "0.005", "1"),
        (["training.learning_rate=0.001", "training.rate_steps=absolute"], 40, "0.001", "0.1"),
    ],
)
def test_a_resume_at_another_rate_is_kept_as_the_run_was_trained(
    overrides: list[str], step: int, rates: str, clips: str
) -> None:
    changed, changes = change_recipe(recipe(), overrides, step)
    assert (changed.training.learning_rate, changed.training.clip_schedule) == (rates, clips)
    assert {f"{key}={new}" for key, _, new in changes} == set(overrides)


@pytest.mark.parametrize(
    ("rates", "ahead", "warning"),
    [
        ("0.005", "0.005 for 41–100", ""),
        ("0.001:30, 0.002", "0.002 for 41–100", ""),
        ("0.2:30, 0.002:30, 0.001", "0.002 for 41–60, 0.001 for 61–100", ""),
        ("0.002:60, 5", "0.002 for 41–60, 5 for 61–100", "rates of 0.1 and above usually destroy an embedding"),
    ],
)
def test_what_a_rate_comes_to_from_here_is_told_and_warned_of(rates: str, ahead: str, warning: str) -> None:
    assert rates_ahead(recipe(learning_rate=rates), 40) == (ahead, warning)
