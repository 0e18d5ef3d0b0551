"""What a base model is, told from its small files; made here with the values the published models have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tinv_tui.errors import InputError
from tinv_tui.models import bundled
from tinv_tui.models.identify import identify

SD15: dict[str, dict[str, Any]] = {
    "model_index.json": {"_class_name": "StableDiffusionPipeline"},
    "text_encoder/config.json": {"hidden_act": "quick_gelu", "hidden_size": 768, "num_hidden_layers": 12},
    "vae/config.json": {"block_out_channels": [128, 256, 512, 512], "latent_channels": 4},
    "unet/config.json": {"in_channels": 4, "sample_size": 64},
    "scheduler/scheduler_config.json": {"prediction_type": "epsilon"},
}
SD21 = SD15 | {
    "text_encoder/config.json": {"hidden_act": "gelu", "hidden_size": 1024, "num_hidden_layers": 23},
    "unet/config.json": {"in_channels": 4, "sample_size": 96},
    "scheduler/scheduler_config.json": {"prediction_type": "v_prediction"},
}


def make_model(folder: Path, files: dict[str, dict[str, Any]], weights: str = "model.safetensors") -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    for part in ("text_encoder", "unet", "vae"):
        if (folder / part).is_dir():
            (folder / part / weights).write_bytes(b"x" * 100)
    return folder


def refused(folder: Path, path: str = "model") -> InputError:
    with pytest.raises(InputError) as caught:
        identify(path, folder)
    assert caught.value.message.startswith("model.path: ")
    return caught.value


def test_the_bundled_model_is_sd1_whatever_its_width(tmp_path: Path) -> None:
    model = identify("bundled", tmp_path)
    assert (model.name, model.path, model.family.name) == ("bundled", bundled.FOLDER, "SD1")
    assert (model.width, model.native_size, model.size_grid) == (64, 64, model.latent_factor * 4)
    assert (model.tokenizer_folder / "vocab.json").is_file()


def test_sd15_is_told_by_its_components(tmp_path: Path) -> None:
    model = identify("sd 1.5", make_model(tmp_path / "sd 1.5", SD15).parent)
    assert (model.name, model.family.name, model.width, model.native_size) == ("sd 1.5", "SD1", 768, 512)
    assert (model.latent_factor, model.latent_channels, model.size_grid, model.encoder_layers) == (8, 4, 64, 12)
    assert (model.prediction_type, model.weight_bytes, model.path.is_absolute()) == ("epsilon", 300, True)


def test_sd21_is_told_by_its_components(tmp_path: Path) -> None:
    model = identify(str(make_model(tmp_path / "sd21", SD21)), Path("/"))
    assert (model.family.name, model.width, model.native_size) == ("SD2", 1024, 768)
    assert (model.prediction_type, model.encoder_layers) == ("v_prediction", 23)


@pytest.mark.parametrize(("files", "family"), [(SD15, "SD1"), (SD21, "SD2")])
def test_the_family_does_not_follow_from_the_width(tmp_path: Path, files: dict[str, Any], family: str) -> None:
    odd = files | {"text_encoder/config.json": files["text_encoder/config.json"] | {"hidden_size": 333}}
    assert identify("model", make_model(tmp_path / "model", odd).parent).family.name == family


@pytest.mark.parametrize("kind", ["StableDiffusion3Pipeline", "StableDiffusionInpaintPipeline"])
def test_a_model_of_another_family_is_refused_by_its_kind(tmp_path: Path, kind: str) -> None:
    make_model(tmp_path / "model", SD15 | {"model_index.json": {"_class_name": kind}})
    error = refused(tmp_path)
    assert error.code == "model-unsupported"
    assert kind in error.message


def test_an_inpainting_unet_is_refused(tmp_path: Path) -> None:
    make_model(tmp_path / "model", SD15 | {"unet/config.json": {"in_channels": 9, "sample_size": 64}})
    assert "inpainting" in refused(tmp_path).message


@pytest.mark.parametrize("path", ["model", "someone/sd-v1-5", "~nobody-here/sd", ""])
def test_a_folder_that_is_not_there_or_no_model_is_refused(tmp_path: Path, path: str) -> None:
    assert refused(tmp_path, path).code in ("model-missing", "model-format", "model-not-fetched")


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "null"])
@pytest.mark.parametrize("name", sorted(SD15))
def test_a_configuration_that_is_no_json_object_is_named(tmp_path: Path, name: str, content: str) -> None:
    make_model(tmp_path / "model", SD15)
    (tmp_path / "model" / name).write_text(content)
    error = refused(tmp_path)
    assert error.code == "model-broken"
    assert name in error.message


@pytest.mark.parametrize("name", sorted(set(SD15) - {"model_index.json"}))
def test_a_configuration_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    make_model(tmp_path / "model", SD15)
    (tmp_path / "model" / name).unlink()
    assert name in refused(tmp_path).message


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("text_encoder/config.json", "hidden_size"),
        ("text_encoder/config.json", "num_hidden_layers"),
        ("vae/config.json", "block_out_channels"),
        ("unet/config.json", "sample_size"),
    ],
)
def test_a_configuration_without_a_value_that_is_needed_names_it(tmp_path: Path, name: str, key: str) -> None:
    make_model(tmp_path / "model", SD15 | {name: {k: v for k, v in SD15[name].items() if k != key}})
    assert key in refused(tmp_path).message


@pytest.mark.parametrize("part", ["text_encoder", "unet", "vae"])
def test_a_part_without_weights_is_named(tmp_path: Path, part: str) -> None:
    folder = make_model(tmp_path / "model", SD15)
    (folder / part / "model.safetensors").unlink()
    assert str(folder / part) in refused(tmp_path).message


def test_of_two_precisions_of_the_weights_one_is_counted(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model", SD15)
    make_model(folder, SD15, "model.fp16.safetensors")
    make_model(folder, SD15, "model.bin")
    assert identify("model", tmp_path).weight_bytes == 300


@pytest.mark.parametrize("weights", ["model.fp16.safetensors", "model.bin"])
def test_half_precision_or_pickled_weights_will_do(tmp_path: Path, weights: str) -> None:
    make_model(tmp_path / "model", SD15, weights)
    assert identify("model", tmp_path).weight_bytes == 300


@pytest.mark.parametrize(
    ("name", "key", "value", "says"),
    [
        ("text_encoder/config.json", "num_hidden_layers", 0, "num_hidden_layers is 0"),
        ("text_encoder/config.json", "hidden_size", -768, "hidden_size is -768"),
        ("vae/config.json", "block_out_channels", [], "block_out_channels is 0"),
        ("vae/config.json", "block_out_channels", [32] * 20_000, "block_out_channels is 20000 levels"),
        ("vae/config.json", "block_out_channels", None, "block_out_channels is no list"),
        ("unet/config.json", "sample_size", 0, "sample_size is 0"),
        ("unet/config.json", "sample_size", 10**4299, "sample_size is too large"),
    ],
)
def test_a_count_that_is_none_or_beyond_reason_makes_no_sense(
    tmp_path: Path, name: str, key: str, value: object, says: str
) -> None:
    make_model(tmp_path / "model", SD15 | {name: SD15[name] | {key: value}})
    assert says in refused(tmp_path).message
