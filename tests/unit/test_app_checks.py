"""What the form is told about a recipe, without a screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tinv_tui import paths
from tinv_tui.app import checks
from tinv_tui.app.checks import check_form
from tinv_tui.app.embedding_notes import spread_in_words
from tinv_tui.app.fields import FIELDS
from tinv_tui.app.form_values import key_of, read_fields, texts_of
from tinv_tui.datasets.checks import check_headers
from tinv_tui.errors import InputError
from tinv_tui.models.memory_plan import MemoryPlan
from tinv_tui.recipe import Recipe, all_keys, make_recipe
from tinv_tui.runs.estimates import Probe, work_of
from tinv_tui.runs.memory import MemoryNeed
from tinv_tui.telemetry.room import Room


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("1.png", "2.png"):
        Image.new("RGB", (64, 64), "red").save(folder / name)
    return folder


def filled(pictures: Path) -> Recipe:
    return make_recipe(
        {"model": {"path": "bundled"}, "embedding": {"name": "zork"}, "dataset": {"path": str(pictures)}}
    )


def test_the_form_shows_every_setting_there_is_and_no_other() -> None:
    elsewhere = {key for key in all_keys() if key.startswith("preprocess.")}  # it has a screen of its own
    assert {key for key, field in FIELDS.items() if not field.options} == set(all_keys()) - elsewhere


A1111_FIELDS = {
    "Embedding": "embedding.name",
    "Embedding Learning rate": "training.learning_rate",
    "Gradient Clipping": "training.clip",
    "its value": "training.clip_schedule",
    "Batch size": "training.batch_size",
    "Gradient accumulation steps": "training.gradient_accumulation",
    "Dataset directory": "dataset.path",
    "Log directory": "saving.log_directory",
    "Prompt template": "dataset.template",
    "Width": "dataset.width",
    "Height": "dataset.height",
    "Do not resize images": "dataset.sizes",
    "Max steps": "training.steps",
    "Save an image every": "saving.image_every",
    "Save a copy every": "saving.embedding_every",
    "Use PNG alpha channel as loss weight": "dataset.alpha_as_weight",
    "Save images with embedding in PNG chunks": "saving.image_carries_embedding",
    "Read parameters from txt2img": "preview.prompts",
    "its negative prompt": "preview.negative",
    "its steps": "preview.steps",
    "its sampler": "preview.sampler",
    "its CFG": "preview.cfg",
    "its seed": "preview.seed",
    "its width": "preview.width",
    "its height": "preview.height",
    "Shuffle tags": "dataset.shuffle_tags",
    "Drop out tags": "dataset.drop_out_tags",
    "Latent sampling": "dataset.latent_sampling",
}
"""Reference a1111 §6.1, and §6.5 for what txt2img gives."""


@pytest.mark.parametrize("label", A1111_FIELDS)
def test_every_field_of_the_old_train_tab_is_there(label: str) -> None:
    assert A1111_FIELDS[label] in FIELDS


def test_a_list_of_fixed_words_is_typed_with_commas() -> None:
    assert texts_of(Recipe(), FIELDS)["saving.formats"] == "safetensors"
    texts = texts_of(Recipe(), FIELDS)
    assert read_fields(texts | {"saving.formats": " safetensors, "}, Recipe(), FIELDS)[1] == {}
    assert "saving.formats" in read_fields(texts | {"saving.formats": "jpeg"}, Recipe(), FIELDS)[1]


def test_both_schedules_are_resolved_in_the_reading_the_form_says(pictures: Path) -> None:
    texts = texts_of(filled(pictures), FIELDS) | {
        "training.learning_rate": "0.005:500, 0.001:1000, 0.004",
        "training.clip": "norm",
        "training.clip_schedule": "1:10, 0.1",
        "training.steps": "2000",
    }
    checked = check_form(texts, Recipe(), Path.cwd())
    assert [s.last for s in checked.schedules["training.learning_rate"].spans] == [500, 1500, 2000]
    assert checked.notes["training.clip_schedule"] == "1 for 1–10, 0.1 for 11–2000"
    absolute = check_form(texts | {"training.rate_steps": "absolute"}, Recipe(), Path.cwd())
    assert [s.last for s in absolute.schedules["training.learning_rate"].spans] == [500, 1000, 2000]
    unclipped = check_form(texts | {"training.clip": "off"}, Recipe(), Path.cwd())
    assert set(unclipped.schedules) == {"training.learning_rate"}


def test_the_log_directory_is_shown_resolved(pictures: Path, tmp_path: Path) -> None:
    texts = texts_of(filled(pictures), FIELDS)
    assert check_form(texts, Recipe(), tmp_path).notes["saving.log_directory"] == str(paths.runs_folder())
    typed = check_form(texts | {"saving.log_directory": "my logs"}, Recipe(), tmp_path)
    assert typed.notes["saving.log_directory"] == str(tmp_path / "my logs")


def test_what_was_probed_is_told_of_recipes_that_do_the_same_work(pictures: Path) -> None:
    recipe = filled(pictures)
    texts = texts_of(recipe, FIELDS)
    plan = check_form(texts, recipe, Path.cwd()).plan
    assert plan is not None
    probe = Probe(seconds_per_step=0.5, steps=15, load_seconds=1, encode_seconds=1, peak_bytes=3 * 2**30, device="cpu")
    probes = {work_of(plan.recipe): probe}
    told = [text for _, text in check_form(texts | {"training.steps": "7200"}, recipe, Path.cwd(), probes).facts]
    assert "1h00m, probed: 0.5 s a step" in told
    assert any(text.startswith("memory 3.0G") for text in told)
    other = [text for _, text in check_form(texts | {"training.batch_size": "2"}, recipe, Path.cwd(), probes).facts]
    assert "time unknown: no run like it yet, m measures it" in other


def test_the_foot_tells_by_which_plan_steps_fit_into_memory(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(True, "GPU 0 (RTX 3080)", 4 * 2**30, 10 * 2**30, "GPU-1")
    need = MemoryNeed(3 * 2**30, 0, room, MemoryPlan(parts=2), "batches of 4 in 2 parts")
    monkeypatch.setattr(checks, "memory_need", lambda *_: need)
    recipe = filled(pictures)
    facts = check_form(texts_of(recipe, FIELDS), recipe, Path.cwd()).facts
    assert ("~", "memory about 3.0G of 4.0G free, with batches of 4 in 2 parts") in facts


def test_fields_say_what_the_recipe_says_and_back() -> None:
    recipe = make_recipe({"preview": {"prompts": ["a [name]"]}, "dataset": {"width": 64, "flip": True}})
    assert read_fields(texts_of(recipe, FIELDS), recipe, FIELDS) == (recipe, {})


@pytest.mark.parametrize("key", ["training.learning_rate", "training.clip_schedule"])
def test_a_rate_is_read_by_what_the_form_says_of_its_counts(key: str) -> None:
    """-1 is the end of the run where counts are end steps, as A1111 has it."""
    texts = texts_of(Recipe(), FIELDS) | {key: "0.005:10, 0.001:-1", "training.rate_steps": "absolute"}
    recipe, errors = read_fields(texts, Recipe(), FIELDS)
    assert not errors
    assert recipe is not None
    assert read_fields(texts | {"training.rate_steps": "duration"}, recipe, FIELDS)[1].keys() == {key}


def test_every_bad_field_has_its_own_error() -> None:
    texts = texts_of(Recipe(), FIELDS) | {
        "training.steps": "many",
        "dataset.drop_out_tags": "2",
        "training.learning_rate": "0.1:x",
    }
    recipe, errors = read_fields(texts, Recipe(), FIELDS)
    assert recipe is None
    assert set(errors) == {"training.steps", "dataset.drop_out_tags", "training.learning_rate"}
    assert errors["dataset.drop_out_tags"] == "2 is not a number from 0 to 1"


def test_an_empty_seed_is_drawn_and_an_empty_size_is_the_models_own() -> None:
    recipe, _ = read_fields(texts_of(Recipe(), FIELDS) | {"training.seed": "", "dataset.width": ""}, Recipe(), FIELDS)
    assert recipe is not None
    assert (recipe.training.seed, recipe.dataset.width) == (-1, 0)


def test_what_is_said_of_sizes_is_of_the_base_model_while_the_rest_is_not_filled_in(pictures: Path) -> None:
    texts = texts_of(filled(pictures), FIELDS) | {"embedding.name": ""}
    checked = check_form(texts, Recipe(), Path.cwd())
    assert checked.plan is None
    assert (checked.settings.width, checked.settings.height) == (64, 64)
    assert check_form(texts | {"model.path": ""}, Recipe(), Path.cwd()).settings.width == 512


def test_a_good_form_has_a_plan_and_facts(pictures: Path) -> None:
    checked = check_form(texts_of(filled(pictures), FIELDS), Recipe(), pictures)
    assert checked.plan is not None
    assert not checked.errors
    said = " ".join(text for _, text in checked.facts)
    assert "SD 1.x" in said
    assert "2 pictures" in said
    assert "2 without caption" in said


def test_captions_count_where_the_template_uses_them(pictures: Path) -> None:
    (pictures / "1.txt").write_text("on a table")
    texts = texts_of(filled(pictures), FIELDS)
    for template, fact in (
        ("subject_filewords", ("!", "1 without caption")),
        ("subject", ("~", "1 caption, which the template does not use")),
    ):
        facts = check_form(texts | {"dataset.template": template}, Recipe(), pictures).facts
        assert [told for told in facts if "caption" in told[1]] == [fact]


def test_missing_fields_are_named_as_missing(pictures: Path) -> None:
    checked = check_form(texts_of(Recipe(), FIELDS), Recipe(), pictures)
    assert checked.missing == {"model.path", "embedding.name", "dataset.path"}


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("dataset.path", "/there/is/none"),
        ("model.path", "/there/is/none"),
        ("dataset.template", "none"),
        ("dataset.width", "40"),
        ("embedding.name", "a/b"),
        ("embedding.continue_from", "/there/is/none"),
        ("embedding.init_text", "half \ud83d of a pair"),
        ("saving.log_directory", "a\0b"),
    ],
)
def test_what_only_the_plan_finds_is_said_at_its_field(key: str, text: str, pictures: Path) -> None:
    checked = check_form(texts_of(filled(pictures), FIELDS) | {key: text}, Recipe(), pictures)
    assert key in checked.errors
    assert not checked.errors[key].startswith(key)


def test_everything_that_is_named_wrong_is_said_at_once(pictures: Path) -> None:
    wrong = {
        "embedding.name": "a/b",
        "embedding.continue_from": "/there/is/none",
        "model.path": "/there/is/none",
        "dataset.template": "none",
        "training.steps": "x",
    }
    checked = check_form(texts_of(filled(pictures), FIELDS) | wrong, Recipe(), pictures)
    assert checked.errors.keys() == wrong.keys()


def test_pictures_are_listed_while_other_fields_are_wrong(pictures: Path) -> None:
    checked = check_form(texts_of(filled(pictures), FIELDS) | {"training.steps": "x"}, Recipe(), pictures)
    assert checked.pictures is not None
    assert len(checked.pictures) == 2


def test_a_folder_without_pictures_is_told_while_other_fields_are_wrong(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    wrong = {"dataset.path": str(tmp_path / "none"), "embedding.vectors": "1Q", "model.path": ""}
    errors = check_form(texts_of(filled(pictures), FIELDS) | wrong, Recipe(), pictures).errors
    assert "holds no pictures" in errors["dataset.path"]
    assert errors.keys() == wrong.keys()


def test_an_error_without_a_setting_belongs_to_no_field() -> None:
    assert key_of(InputError("x", "the disk is full")) is None
    assert key_of(InputError("x", "recipe: training.steps = 0 is not a whole number")) == "training.steps"


@pytest.mark.parametrize(
    ("tokens", "vectors", "words"),
    [
        (["ginger", "cat"], 4, "ginger → 1–2, cat → 3–4"),
        (["ginger", "cat"], 2, "ginger → 1, cat → 2"),
        (["a", "ginger", "cat"], 1, "a → 1 (2 of 3 tokens not used)"),
        ([], 2, ""),
    ],
)
def test_which_token_fills_which_vector(tokens: list[str], vectors: int, words: str) -> None:
    assert spread_in_words(tokens, vectors) == words


def test_a_prompt_is_made_of_template_caption_and_name(pictures: Path) -> None:
    (pictures / "1.txt").write_text("a red square")
    checked = check_form(texts_of(filled(pictures), FIELDS), Recipe(), pictures)
    assert checked.prompts is not None
    prompt, tokens = checked.prompts.sample(0, "a red square")
    assert "zork" in prompt
    assert "a red square" in prompt
    assert tokens is not None
    assert tokens > 3


def test_folders_in_the_home_of_nobody_are_told_not_to_be_there(pictures: Path) -> None:
    texts = texts_of(filled(pictures), FIELDS) | {
        "dataset.path": "~nobody-here/cats",
        "saving.log_directory": "~nobody-here/runs",
    }
    checked = check_form(texts, Recipe(), Path.cwd())
    assert "does not exist" in str(checked)


def test_captions_are_checked_for_the_name_that_the_run_will_have(pictures: Path) -> None:
    paths.embeddings_folder().mkdir(parents=True)
    (paths.embeddings_folder() / "zork.safetensors").write_bytes(b"somebody's, and not ours to replace")
    recipe = filled(pictures)
    recipe = recipe.model_copy(update={"dataset": recipe.dataset.model_copy(update={"template": "subject_filewords"})})
    for caption, names_it in (("a zork", False), ("a zork-2", True)):
        (pictures / "1.txt").write_text(caption)
        checked = check_form(texts_of(recipe, FIELDS), recipe, pictures.parent)
        assert checked.plan is not None
        assert checked.settings is not None
        assert checked.settings.name == checked.plan.recipe.embedding.name == "zork-2"
        found = {finding.code for finding in checked.findings}
        assert found == {finding.code for finding in check_headers(checked.pictures or (), checked.settings)}
        assert ("caption-placeholder" in found) is names_it


@pytest.mark.parametrize(
    "key",
    ["model.path", "model.vae", "dataset.path", "dataset.template", "embedding.continue_from", "preview.tiny_vae"],
)
@pytest.mark.parametrize("pasted", ["a" * 300, "/" + "a/" * 3000], ids=["a long name", "a long path"])
def test_what_no_path_can_be_is_said_at_its_field(pictures: Path, key: str, pasted: str) -> None:
    """Such as a prompt that was pasted into the wrong one."""
    checked = check_form(texts_of(filled(pictures), FIELDS) | {key: pasted}, Recipe(), Path.cwd())
    assert list(checked.errors) == [key]


def test_a_log_directory_that_cannot_be_leaves_all_else_checked(pictures: Path) -> None:
    texts = texts_of(filled(pictures), FIELDS) | {"saving.log_directory": "a" * 300}
    assert check_form(texts, Recipe(), Path.cwd()).facts
