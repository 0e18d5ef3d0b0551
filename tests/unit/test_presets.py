"""Presets: each is a valid recipe, tells why each of its values is so, and can be taken on the command line too."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tinv_tui import paths
from tinv_tui.app.fields import FIELDS
from tinv_tui.app.screens.presets import preset_lines
from tinv_tui.errors import InputError
from tinv_tui.presets import NAMES, PRESETS, Preset, apply_presets, find_preset
from tinv_tui.recipe import make_recipe
from tinv_tui.recipe_file import load_recipe

KINDS = ("subject", "style", "face")
_NOT_THEIRS = {"model.path", "embedding.name", "embedding.init_text", "dataset.path"}


def values_of(preset: Preset) -> dict[str, object]:
    return {value.key: value.value for value in preset.values}


@pytest.mark.parametrize("names", [*([name] for name in NAMES), *itertools.permutations(NAMES, 2)])
def test_each_alone_and_on_top_of_another_is_a_valid_recipe(names: list[str]) -> None:
    values: dict[str, dict[str, object]] = {}
    apply_presets(values, names)
    recipe = make_recipe(values)
    for key, value in values_of(find_preset(names[-1])).items():
        section, _, name = key.partition(".")
        assert getattr(getattr(recipe, section), name) == value


@pytest.mark.parametrize("preset", PRESETS, ids=NAMES)
def test_every_value_is_explained_and_has_a_field_and_none_is_what_only_its_user_knows(preset: Preset) -> None:
    assert preset.said
    assert len(values_of(preset)) == len(preset.values)
    assert values_of(preset).keys() <= FIELDS.keys() - _NOT_THEIRS
    assert all(len(value.why) > 10 and not value.why[0].isupper() for value in preset.values)


def test_what_is_learned_can_be_chosen_anew_without_a_trace_of_the_choice_before() -> None:
    first, *others = (values_of(find_preset(name)).keys() for name in KINDS)
    assert all(keys == first for keys in others)
    assert {values_of(find_preset(name))["dataset.template"] for name in KINDS} <= paths.template_files().keys()


def test_they_go_over_the_file_and_under_single_keys(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('[training]\nsteps = 7\nlearning_rate = "0.1:3, 0.01"\nseed = 5\n')
    recipe = load_recipe(path, ["training.steps=60"], presets=("style", "fast-try"))
    assert (recipe.training.steps, recipe.training.learning_rate) == (60, "0.005:300, 0.002")
    assert (recipe.training.seed, recipe.dataset.template) == (5, "style_filewords")


def test_an_unknown_one_is_told_with_those_there_are() -> None:
    assert find_preset("Fast Try") is find_preset("fast-try")
    with pytest.raises(InputError, match="no preset 'quick'") as caught:
        find_preset("quick")
    assert "fast-try" in caught.value.hint


def test_what_would_change_is_shown_with_its_reason_and_the_rest_is_only_named() -> None:
    texts = dict.fromkeys(FIELDS, "") | {"training.batch_size": "4", "training.precision": "auto"}
    lines = ["".join(text for text, _ in line) for line in preset_lines(find_preset("low memory"), texts, 60)]
    assert lines[1] == "Batch  4 → 1"
    assert lines[2].startswith("  one picture at a time takes least")
    assert any(line.startswith("as they are: ") and "Numbers" in line for line in lines)
    assert all(len(line) <= 60 for line in lines)
