"""The recipe: every option with its default, and errors that speak to the user."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from tinv_tui.errors import InputError
from tinv_tui.recipe import all_keys, allowed_values, field_of, make_recipe, require_complete
from tinv_tui.recipe_file import apply_override, to_toml

DEFAULTS: dict[str, dict[str, Any]] = {
    "model": {"path": "", "vae": "", "clip_skip": 1, "prediction_type": "auto"},
    "embedding": {
        "name": "",
        "vectors": 1,
        "init_text": "*",
        "continue_from": "",
        "step_count": "go on",
        "overwrite": False,
    },
    "dataset": {
        "path": "",
        "template": "subject_filewords",
        "width": 0,
        "height": 0,
        "sizes": "bucket",
        "filename_regex": "",
        "filename_join": " ",
        "exclude": [],
        "repeats": 1,
        "flip": False,
        "shuffle_tags": False,
        "drop_out_tags": 0.1,
        "latent_sampling": "deterministic",
        "alpha_as_weight": False,
    },
    "training": {
        "steps": 100000,
        "learning_rate": "0.005",
        "rate_steps": "duration",
        "batch_size": 1,
        "gradient_accumulation": 1,
        "clip": "off",
        "clip_schedule": "0.1",
        "cap_norm": False,
        "precision": "auto",
        "acceleration": "auto",
        "seed": -1,
        "deterministic": False,
        "evaluation_samples": 4,
        "minutes": 0.0,
    },
    "saving": {
        "log_directory": "",
        "embedding_every": 500,
        "image_every": 500,
        "image_carries_embedding": True,
        "tensorboard": False,
        "formats": ["safetensors"],
        "result": "auto",
        "private_paths": False,
        "checkpoint_seconds": 20,
    },
    "preview": {
        "prompts": [],
        "negative": "",
        "steps": 20,
        "sampler": "dpm++ 2m karras",
        "cfg": 7.0,
        "seed": 42,
        "width": 0,
        "height": 0,
        "tiny_vae": "",
    },
    "preprocess": {
        "source": "",
        "destination": "",
        "width": 512,
        "height": 512,
        "keep_size": False,
        "flip": True,
        "split": False,
        "split_threshold": 0.5,
        "split_overlap": 0.2,
        "focal_crop": False,
        "face_weight": 0.9,
        "entropy_weight": 0.15,
        "edges_weight": 0.5,
        "face_model": "",
        "debug_image": False,
        "auto_crop": False,
        "auto_crop_min_side": 384,
        "auto_crop_max_side": 768,
        "auto_crop_min_area": 4096,
        "auto_crop_max_area": 409600,
        "auto_crop_objective": "area",
        "auto_crop_threshold": 0.1,
        "background": "white",
        "caption_action": "auto",
        "blip": "auto",
        "blip_model": "Salesforce/blip-image-captioning-base",
        "blip_min_length": 24,
        "blip_max_length": 48,
        "blip_beams": 1,
        "tagger": "",
        "tag_threshold": 0,
        "character_threshold": 0.85,
        "tag_order": "alphabet",
        "tag_spaces": True,
        "tag_filter": "",
        "processes": 0,
        "into_existing": False,
    },
}
"""The table of the design, section 4, and the guide's and A1111's of Preprocess images."""
CHOICES = {
    "model.prediction_type": {"auto", "epsilon", "v_prediction"},
    "dataset.sizes": {"bucket", "resize", "crop"},
    "dataset.latent_sampling": {"deterministic", "once", "random"},
    "training.rate_steps": {"duration", "absolute"},
    "training.clip": {"off", "value", "norm"},
    "training.precision": {"auto", "bf16", "fp16", "fp32"},
    "training.acceleration": {"auto", "eager", "compile"},
    "preprocess.auto_crop_objective": {"area", "error"},
    "preprocess.caption_action": {"auto", "ignore", "copy", "prepend", "append"},
    "preprocess.blip": {"auto", "on", "off"},
    "preprocess.tag_order": {"alphabet", "score"},
}


def wrong(values: dict[str, Any]) -> InputError:
    with pytest.raises(InputError) as caught:
        make_recipe(values, "cat.toml")
    return caught.value


def nested(key: str, value: Any) -> dict[str, Any]:
    section, _, name = key.partition(".")
    return {section: {name: value}}


def test_every_key_exists_with_its_default_and_there_is_no_other() -> None:
    assert make_recipe({}).model_dump(mode="json") == DEFAULTS


@pytest.mark.parametrize("key", all_keys())
def test_every_key_has_a_help_text(key: str) -> None:
    assert len((field_of(key).description or "").strip()) > 10


@pytest.mark.parametrize("key", sorted(CHOICES))
def test_every_word_of_a_choice_is_taken_and_no_other(key: str) -> None:
    for word in CHOICES[key]:
        make_recipe(nested(key, word))
    error = wrong(nested(key, "sideways"))
    assert all(word in error.message for word in (*CHOICES[key], "cat.toml", key, "sideways"))


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("embedding.vectors", 0, "from 1 to 75"),
        ("embedding.vectors", 76, "from 1 to 75"),
        ("dataset.drop_out_tags", 1.01, "from 0 to 1"),
        ("dataset.drop_out_tags", -0.1, "from 0 to 1"),
        ("training.steps", 0, "from 1 to"),
        ("training.seed", -2, "from -1 to"),
        ("saving.embedding_every", -1, "0 or more"),
        ("preview.cfg", 0.5, "from 1 to 50"),
        ("preview.cfg", float("nan"), "from 1 to 50"),
        ("dataset.width", 100, "a multiple of 8"),
        ("preview.height", 516, "a multiple of 8"),
        ("preprocess.width", 500, "a multiple of 8"),
        ("preprocess.split_overlap", 0.95, "from 0 to 0.9"),
    ],
)
def test_a_value_out_of_range_names_file_key_value_and_range(key: str, value: Any, allowed: str) -> None:
    error = wrong(nested(key, value))
    assert error.code == "recipe-value"
    assert all(part in error.message for part in ("cat.toml", key, repr(value), allowed))


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("embedding.name", 5, "text"),
        ("training.learning_rate", 0.005, "text"),
        ("embedding.vectors", "4", "a whole number"),
        ("training.steps", 5.0, "a whole number"),
        ("training.steps", True, "a whole number"),
        ("embedding.overwrite", "yes", "true or false"),
        ("dataset.flip", 1, "true or false"),
        ("preview.cfg", "7", "a number"),
        ("preview.prompts", "a cat", "a list"),
        ("preview.prompts", ["a cat", 3], "a list"),
        ("saving.formats", ["jpeg"], "safetensors"),
    ],
)
def test_a_value_of_the_wrong_type_names_file_key_value_and_kind(key: str, value: Any, kind: str) -> None:
    error = wrong(nested(key, value))
    assert all(part in error.message for part in ("cat.toml", key, repr(value), kind))


def test_a_whole_number_will_do_where_a_number_is_wanted() -> None:
    assert make_recipe({"preview": {"cfg": 7}}).preview.cfg == 7


@pytest.mark.parametrize(
    ("values", "unknown", "nearest"),
    [
        ({"training": {"step": 5}}, "training.step", "training.steps"),
        ({"trainig": {"steps": 5}}, "trainig.steps", "training.steps"),
        ({"previw": {"steps": 5}}, "previw.steps", "preview.steps"),
        ({"dataset": {"learning_rate": "1"}}, "dataset.learning_rate", "training.learning_rate"),
        ({"steps": 5}, "steps", "training.steps"),
        ({"embeding": 5}, "embeding", "embedding"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(values: dict[str, Any], unknown: str, nearest: str) -> None:
    error = wrong(values)
    assert error.code == "recipe-unknown-key"
    assert f"cat.toml: there is no key {unknown}" in error.message
    assert error.hint == f"Did you mean {nearest}?"


def test_a_section_must_be_a_table() -> None:
    assert "model must be a table" in wrong({"model": "bundled"}).message


def test_a_rate_that_cannot_be_read_is_found_when_the_recipe_is() -> None:
    assert wrong({"training": {"learning_rate": "fast"}}).code == "rate-malformed"
    assert wrong({"training": {"clip_schedule": "-1"}}).message.startswith("training.clip_schedule")


@pytest.mark.parametrize("key", ["model.path", "embedding.name", "dataset.path"])
def test_a_required_key_that_is_blank_is_named(key: str) -> None:
    values = {"model": {"path": "bundled"}, "embedding": {"name": "cat"}, "dataset": {"path": "pictures"}}
    require_complete(make_recipe(values))
    section, _, name = key.partition(".")
    values[section][name] = "  "
    with pytest.raises(InputError, match=rf"cat\.toml: {key} is required"):
        require_complete(make_recipe(values), "cat.toml")


def test_set_on_a_file_whose_section_is_no_table_is_the_files_error() -> None:
    values: dict[str, Any] = {"training": 5}
    apply_override(values, "training.steps=4")
    assert "training must be a table" in wrong(values).message


@pytest.mark.parametrize("key", all_keys())
def test_what_a_key_may_hold_is_told_in_words(key: str) -> None:
    assert allowed_values(key).split()[0] in {"a", "one", "text", "true"}


def test_a_written_recipe_carries_every_key_under_its_section() -> None:
    written = tomllib.loads(to_toml(make_recipe({})))
    assert written == DEFAULTS
    assert [f"{s}.{k}" for s, table in written.items() for k in table] == all_keys()


def test_an_expression_for_file_names_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match=r"dataset\.filename_regex = '\(a'"):
        make_recipe({"dataset": {"filename_regex": "(a"}})
