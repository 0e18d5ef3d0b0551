"""A recipe from the settings file of an A1111 training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tinv_tui.cli import commands
from tinv_tui.errors import InputError
from tinv_tui.models import bundled
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.a1111 import import_settings
from tinv_tui.runs.plan import plan_run

SETTINGS: dict[str, Any] = {
    "datetime": "2023-04-01 12:34:56",
    "model_name": "v1-5-pruned-emaonly",
    "model_hash": "6ce0161689",
    "num_of_dataset_images": 12,
    "num_vectors_per_token": 4,
    "embedding_name": "my-cat",
    "learn_rate": "0.005:500, 0.001:1500, 0.0005",
    "batch_size": 2,
    "gradient_step": 3,
    "data_root": "C:\\train\\cat",
    "log_directory": "textual_inversion\\2023-04-01\\my-cat",
    "training_width": 512,
    "training_height": 768,
    "steps": 3000,
    "clip_grad_mode": "norm",
    "clip_grad_value": "0.1",
    "latent_sampling_method": "deterministic",
    "create_image_every": 250,
    "save_embedding_every": 0,
    "save_image_with_stored_embedding": False,
    "template_file": "C:\\sd\\textual_inversion_templates\\style_filewords.txt",
    "initial_step": 0,
}
PREVIEW = {
    "preview_prompt": "a photo of my-cat,\n4k",
    "preview_negative_prompt": "blurry",
    "preview_steps": 28,
    "preview_sampler_name": "Euler a",
    "preview_cfg_scale": 7.5,
    "preview_seed": 123.0,
    "preview_width": 512,
    "preview_height": 640,
}


def settings(tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "settings-2023-04-01-12-34-56.json"
    path.write_text(json.dumps({k: v for k, v in (SETTINGS | changes).items() if v is not ...}, indent=4))
    return path


def test_every_key_of_the_file_has_its_place(tmp_path: Path) -> None:
    recipe, notes = import_settings(settings(tmp_path), model="bundled")
    assert (recipe.embedding.name, recipe.embedding.vectors, recipe.embedding.init_text) == ("my-cat", 4, "*")
    training = recipe.training
    assert (training.learning_rate, training.rate_steps) == ("0.005:500, 0.001:1500, 0.0005", "absolute")
    assert (training.steps, training.batch_size, training.gradient_accumulation) == (3000, 2, 3)
    assert (training.clip, training.clip_schedule) == ("norm", "0.1")
    dataset = recipe.dataset
    assert (dataset.path, dataset.width, dataset.height) == ("C:\\train\\cat", 512, 768)
    assert (dataset.template, dataset.latent_sampling) == ("style_filewords", "deterministic")
    saving = recipe.saving
    assert (saving.image_every, saving.embedding_every, saving.image_carries_embedding) == (250, 0, False)
    assert recipe.model.path == "bundled"
    assert any("dataset" in note and "not found" in note for note in notes)
    assert any("template" in note and "other wording" in note for note in notes)


def test_what_the_file_omits_is_as_a1111_has_it_not_as_we_have_it(tmp_path: Path) -> None:
    recipe, _ = import_settings(settings(tmp_path))
    dataset = recipe.dataset
    assert (dataset.sizes, dataset.shuffle_tags, dataset.drop_out_tags) == ("resize", False, 0.0)
    assert (dataset.flip, dataset.repeats, dataset.alpha_as_weight) == (False, 1, False)
    assert (recipe.model.vae, recipe.model.clip_skip) == ("", 1)
    preview = recipe.preview
    assert (preview.prompts, preview.steps, preview.cfg, preview.seed) == ((), 20, 7.0, -1)

    least = {"embedding_name": "my-cat", "learn_rate": 0.005}
    path = tmp_path / "least.json"
    path.write_text(json.dumps(least))
    recipe, _ = import_settings(path)
    assert (recipe.training.learning_rate, recipe.training.steps, recipe.training.clip) == ("0.005", 100000, "off")
    assert (recipe.dataset.latent_sampling, recipe.dataset.template) == ("once", "style_filewords")
    assert (recipe.saving.image_every, recipe.saving.image_carries_embedding) == (500, True)


def test_preview_settings_are_taken_where_they_are(tmp_path: Path) -> None:
    recipe, _ = import_settings(settings(tmp_path, **PREVIEW))
    preview = recipe.preview
    assert (preview.prompts, preview.negative) == (("a photo of my-cat, 4k",), "blurry")
    assert (preview.steps, preview.sampler, preview.cfg, preview.seed) == (28, "euler a", 7.5, 123)
    assert (preview.width, preview.height) == (512, 640)


@pytest.mark.parametrize("told", [{"preview_sampler_index": 3}, {}])
def test_a_sampler_that_is_only_a_number_or_missing_is_said(tmp_path: Path, told: dict[str, Any]) -> None:
    recipe, notes = import_settings(settings(tmp_path, **(PREVIEW | {"preview_sampler_name": ...} | told)))
    assert recipe.preview.sampler == "dpm++ 2m karras"
    assert any("set preview.sampler" in note for note in notes)


def test_batches_are_those_that_were_trained_not_those_that_were_asked_for(tmp_path: Path) -> None:
    recipe, notes = import_settings(settings(tmp_path, batch_size=8, gradient_step=4))
    assert (recipe.training.batch_size, recipe.training.gradient_accumulation) == (8, 1)
    recipe, notes = import_settings(settings(tmp_path, batch_size=20))
    assert (recipe.training.batch_size, recipe.training.gradient_accumulation) == (12, 1)
    assert any("12 pictures" in note for note in notes)


def test_a_training_that_went_on_is_said(tmp_path: Path) -> None:
    recipe, notes = import_settings(settings(tmp_path, initial_step=1000))
    assert recipe.training.steps == 3000
    assert any("went on from step 1000" in note for note in notes)


def test_the_very_template_is_used_where_it_is(tmp_path: Path) -> None:
    own = tmp_path / "subject.txt"
    own.write_text("a [name]\n")
    recipe, notes = import_settings(settings(tmp_path, template_file=str(own)))
    assert recipe.dataset.template == str(own)
    assert not any("template" in note for note in notes)


@pytest.mark.parametrize(
    ("told", "template"),
    [("/a/my_style.txt", "style_filewords"), ("/a/mine.txt", "subject_filewords"), ("subject.txt", "subject")],
)
def test_a_template_that_is_not_here_has_a_stand_in(tmp_path: Path, told: str, template: str) -> None:
    recipe, notes = import_settings(settings(tmp_path, template_file=told))
    assert recipe.dataset.template == template
    assert any(told in note for note in notes)


def test_the_model_is_looked_for_by_its_name(tmp_path: Path) -> None:
    models = tmp_path / "models"
    (models / "sub" / "v1-5-pruned-emaonly").mkdir(parents=True)
    recipe, notes = import_settings(settings(tmp_path), models=models)
    assert recipe.model.path == ""
    assert any("'v1-5-pruned-emaonly' [6ce0161689]" in note and "--model" in note for note in notes)
    (models / "sub" / "v1-5-pruned-emaonly" / "model_index.json").touch()
    recipe, _ = import_settings(settings(tmp_path), models=models)
    assert recipe.model.path == str(models / "sub" / "v1-5-pruned-emaonly")
    (models / "anime").mkdir()
    (models / "anime" / "nai.v2.safetensors").touch()
    recipe, _ = import_settings(settings(tmp_path, model_name="anime_nai.v2"), models=models)
    assert recipe.model.path == str(models / "anime" / "nai.v2.safetensors")
    with pytest.raises(InputError, match="no folder"):
        import_settings(settings(tmp_path), models=tmp_path / "none")


@pytest.mark.parametrize(
    "changes",
    [{"steps": "many"}, {"steps": 0}, {"training_width": 513}, {"num_vectors_per_token": 99}, {"latent_sampling_method": "?"},
     {"clip_grad_mode": "l2"}, {"batch_size": None}, {"preview_seed": float("inf"), "preview_prompt": "a"}],
)  # fmt: skip
def test_a_value_that_is_not_possible_is_a_note_not_an_end(tmp_path: Path, changes: dict[str, Any]) -> None:
    _, notes = import_settings(settings(tmp_path, **changes))
    (key, value) = next(iter(changes.items()))
    assert value is None or any(note.startswith(key) for note in notes)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"steps": 5}', "\xff"])
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(InputError) as caught:
        import_settings(path)
    assert str(path) in caught.value.message


@pytest.mark.parametrize("changes", [{"embedding_name": "../../x"}, {"learn_rate": "fast"}])
def test_a_name_that_is_a_path_and_a_rate_that_is_none_are_errors(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        import_settings(settings(tmp_path, **changes))


def test_the_command_writes_a_recipe_that_can_be_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pictures = str(bundled.picture_sets()["chartreuse"])
    source = settings(tmp_path, data_root=pictures, training_width=64, training_height=64, template_file="subject.txt")
    arguments = ["import-a1111", str(source), "--model", "bundled", "--set", "embedding.init_text=thing", "--json"]
    said = json.loads(CliRunner().invoke(commands, arguments).stdout)
    assert set(said) == {"path", "recipe", "notes"}
    assert said["path"] == str(tmp_path / "my-cat.toml")
    assert said["recipe"]["embedding"]["init_text"] == "thing"
    plan = plan_run(load_recipe(Path(said["path"])), tmp_path)
    assert [(s.rate, s.first, s.last) for s in plan.rates.spans] == [
        (0.005, 1, 500),
        (0.001, 501, 1500),
        (0.0005, 1501, 3000),
    ]
    again = CliRunner().invoke(commands, arguments)
    assert (again.exit_code, json.loads(again.stdout)["error"]["code"]) == (2, "recipe-exists")
    assert CliRunner().invoke(commands, [*arguments, "--overwrite"]).exit_code == 0
