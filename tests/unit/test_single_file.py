"""What base model a single file is, told from its header; the headers are the true ones, with no numbers behind them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.checkpoints import ldm_state, make_parts, meta_parts, with_ema, write_header_only, write_single_file
from tests.model_files import (
    CUT_DOWN,
    NARROW,
    YAML_EPS,
    YAML_V,
    Change,
    empty,
    model_of,
    parts_of,
    refused,
    state_of,
    without,
)
from tinv_tui.errors import InputError
from tinv_tui.models.families import FAMILIES, SD1, SD2, SDXL, Family
from tinv_tui.models.identify import identify
from tinv_tui.models.layout import find_parts
from tinv_tui.models.prediction import settle_prediction
from tinv_tui.models.published import published_configs
from tinv_tui.models.tokenizer import tokenizer_for

TRUE_CONFIGS = Path(os.environ.get("TINV_TEST_DATA", "/nowhere")) / "sd-configs"


# The published models


@pytest.mark.parametrize(
    ("family", "told"),
    [
        (SD1, ("SD1", (768,), 512, "epsilon", 12)),
        (SD2, ("SD2", (1024,), 768, "", 23)),
        (SDXL, ("SDXL", (768, 1280), 1024, "epsilon", 12)),
    ],
    ids=lambda value: value.name if isinstance(value, Family) else "",
)
def test_a_published_model_is_told_by_its_header(tmp_path: Path, family: Family, told: tuple[Any, ...]) -> None:
    model = model_of(tmp_path, state_of(family), "my model.safetensors", dtype=torch.float16)
    assert (model.family.name, model.widths, model.native_size, model.prediction_type, model.encoder_layers) == told
    assert (model.name, model.path, model.is_single_file) == ("my model", tmp_path / "my model.safetensors", True)
    assert (model.latent_channels, model.latent_factor, model.size_grid, model.number_kind) == (4, 8, 64, "F16")
    assert model.weight_bytes / 2 == pytest.approx(family.parameters, rel=0.02)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_configuration_told_by_shapes_is_the_published_one(tmp_path: Path, family: Family) -> None:
    found = model_of(tmp_path, state_of(family)).components
    said = {"transformer_layers_per_block": 1, "use_linear_projection": False}  # where the published one says nothing
    for part, published in published_configs(family).items():
        assert found[part] == (said if part == "unet" else {}) | dict(published)


@pytest.mark.skipif(not TRUE_CONFIGS.is_dir(), reason="TINV_TEST_DATA has no sd-configs")
@pytest.mark.parametrize(("family", "folder"), [(SD1, "sd15"), (SD2, "sd21"), (SDXL, "sdxl")])
def test_what_ships_is_what_the_publishers_folders_say(family: Family, folder: str) -> None:
    for part, shipped in published_configs(family).items():
        (file,) = (TRUE_CONFIGS / folder / part).glob("*config.json")
        theirs = json.loads(file.read_text())
        unsaid = {"scaling_factor": 0.18215, "prediction_type": "epsilon"}  # left to the defaults of the time
        assert shipped == {key: (unsaid | theirs)[key] for key in shipped}


def test_no_weights_are_read_and_a_second_look_is_free(tmp_path: Path) -> None:
    path = write_header_only(tmp_path / "xl.safetensors", state_of(SDXL), dtype=torch.float16)
    assert (path.stat().st_size > 6e9, path.stat().st_blocks * 512 < 2e6) == (True, True)
    identify("xl.safetensors", tmp_path)
    begun = time.process_time()
    for _ in range(100):
        identify("xl.safetensors", tmp_path)
    assert time.process_time() - begun < 1


def test_a_file_that_changes_is_looked_at_anew(tmp_path: Path) -> None:
    assert model_of(tmp_path, state_of(SD1)).family == SD1
    assert model_of(tmp_path, state_of(SDXL)).family == SDXL


def test_a_link_keeps_its_own_name(tmp_path: Path) -> None:
    """Download caches call their files by a hash and link to them."""
    write_header_only(tmp_path / "3f2a9c", state_of(SD2))
    (tmp_path / "v2-1_768-ema-pruned.safetensors").symlink_to(tmp_path / "3f2a9c")
    model = identify("v2-1_768-ema-pruned.safetensors", tmp_path)
    assert (model.name, model.prediction_type) == ("v2-1_768-ema-pruned", "v_prediction")


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_the_number_format_is_told(tmp_path: Path, kind: torch.dtype) -> None:
    model = model_of(tmp_path, state_of(SD1), dtype=kind)
    assert model.number_kind == {torch.float32: "F32", torch.bfloat16: "BF16"}[kind]


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    state = {name: t.to(torch.float8_e4m3fn) if ".diffusion_model." in name else t for name, t in state_of(SD1).items()}
    path = write_header_only(tmp_path / "fp8.safetensors", state)
    assert "holds F8_E4M3 numbers in its unet" in refused(path).message


# Training files, pruned files, files without some part


def test_of_plain_weights_and_averages_the_plain_ones_count(tmp_path: Path) -> None:
    both = with_ema(state_of(SD1))
    model = model_of(tmp_path, both)
    assert model.weight_bytes == pytest.approx(SD1.parameters * 4, rel=0.02)
    assert not find_parts(both).is_average


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_averages_alone_are_the_same_model_under_flat_names(tmp_path: Path, family: Family) -> None:
    averages = with_ema(state_of(family), only=True)
    model = model_of(tmp_path, averages)
    assert model.components == model_of(tmp_path, state_of(family), "plain.safetensors").components
    parts = find_parts(averages)
    assert parts.is_average
    plain = find_parts(state_of(family)).names["unet"]
    assert parts.names["unet"].keys() == plain.keys()
    assert all(flat == "model_ema." + plain[name].removeprefix("model.").replace(".", "")
               for name, flat in parts.names["unet"].items())  # fmt: skip


def test_the_oldest_files_leave_a_word_out_of_the_text_encoders_names(tmp_path: Path) -> None:
    old = {name.replace("transformer.text_model.", "transformer."): tensor for name, tensor in state_of(SD1).items()}
    assert model_of(tmp_path, old).components == model_of(tmp_path, state_of(SD1), "new.safetensors").components


def test_a_file_without_vae_is_a_model_that_needs_one(tmp_path: Path) -> None:
    model = model_of(tmp_path, without("first_stage_model.")(state_of(SD1)))
    assert (model.has_vae, model.latent_factor, model.latent_channels) == (False, 8, 4)


def test_an_sd2_file_without_its_unused_layer_is_the_same_model(tmp_path: Path) -> None:
    lean = ldm_state(SD2, parts_of(SD2), spare_layer=False)
    assert len(lean) < len(state_of(SD2))
    assert model_of(tmp_path, lean).components == model_of(tmp_path, state_of(SD2), "whole.safetensors").components


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".safetensors"])
def test_a_checkpoint_of_torch_is_told_whatever_it_is_called(tmp_path: Path, suffix: str) -> None:
    state = ldm_state(SD1, {name: dict(module.state_dict()) for name, module in make_parts(NARROW[SD1]).items()})
    write_single_file(tmp_path / "model.ckpt", state, global_step=470000, hyper={"lr": 1e-5})
    (tmp_path / "model.ckpt").rename(tmp_path / f"x{suffix}")
    model = identify(f"x{suffix}", tmp_path)
    assert (model.family, model.widths, model.number_kind) == (SD1, (64,), "F32")


# Cut-down and narrow models: what is derived builds the module whose tensors the file holds


@pytest.mark.parametrize("name", CUT_DOWN)
def test_a_cut_down_model_comes_out_as_it_was_built(tmp_path: Path, name: str) -> None:
    family, configs = CUT_DOWN[name]
    parts = meta_parts(configs)
    model = model_of(tmp_path, ldm_state(family, parts))
    rebuilt = meta_parts(model.components)
    for part, state in parts.items():
        assert {n: t.shape for n, t in rebuilt[part].items()} == {n: t.shape for n, t in state.items()}
    for part, key in (("unet", "attention_head_dim"), ("text_encoder", "num_attention_heads")):
        if name.startswith("narrow"):
            assert model.components[part][key] == configs[part][key]
    assert model.width == (64 if family != SDXL else 144)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("model.diffusion_model.output_blocks.3."), "the two sides of its UNet do not match"),
        (without("model.diffusion_model.middle_block.2."), "the middle of its UNet"),
        (without("model.diffusion_model.input_blocks.4.1."), "in some blocks of a level"),
        (without("model.diffusion_model.time_embed."), ""),
        (without("first_stage_model.encoder."), "its VAE has no encoder"),
        (without("first_stage_model.decoder.up.1.block.1."), "the two sides of its VAE"),
    ],
)
def test_a_model_built_in_another_way_is_refused_with_the_reason(tmp_path: Path, change: Change, said: str) -> None:
    path = write_header_only(tmp_path / "model.safetensors", change(state_of(SD1)))
    if not said:
        assert identify(str(path), tmp_path)  # not needed to tell; loading says that it is missing
        return
    error = refused(path)
    assert (error.code, said in error.message) == ("model-unsupported", True)


def test_parts_of_two_families_are_refused(tmp_path: Path) -> None:
    mixed = ldm_state(SD1, parts_of(SD1) | {"unet": parts_of(SD2)["unet"]})
    error = refused(write_header_only(tmp_path / "mix.safetensors", mixed))
    assert "its text is 768 wide, its UNet takes 1024" in error.message


# The tokenizer that ships


def test_the_shipped_vocabulary_is_clips_and_each_encoder_fills_up_in_its_own_way(tmp_path: Path) -> None:
    folders = model_of(tmp_path, state_of(SDXL)).tokenizer_folders
    first, second = (tokenizer_for(folder) for folder in folders)
    assert first.encode("a photo of a cat") == second.encode("a photo of a cat") == [320, 1125, 539, 320, 2368]
    assert (first.begin, first.end, first.pad, second.pad) == (49406, 49407, 49407, 0)


# Prediction type, which no weight tells


@pytest.mark.parametrize(
    ("name", "metadata", "mark", "yaml", "kind"),
    [
        ("v2-1_768-ema-pruned", {}, False, "", "v_prediction"),
        ("768-v-ema", {}, False, "", "v_prediction"),
        ("v2-1_512-nonema-pruned", {}, False, "", "epsilon"),
        ("512-base-ema", {}, False, "", "epsilon"),
        ("mine", {"modelspec.prediction_type": "v"}, False, "", "v_prediction"),
        ("mine", {"modelspec.prediction_type": "epsilon"}, False, "", "epsilon"),
        ("mine", {"modelspec.architecture": "stable-diffusion-v2-768-v"}, False, "", "v_prediction"),
        ("mine", {"modelspec.architecture": "stable-diffusion-v2-512"}, False, "", "epsilon"),
        ("mine", {}, True, "", "v_prediction"),
        ("mine", {}, False, YAML_V, "v_prediction"),
        ("mine", {}, False, YAML_EPS, "epsilon"),
        ("v2-1_512-ema-pruned", {}, False, YAML_V, "v_prediction"),
        ("mine", {}, False, "notes: none\n", ""),
        ("mine", {}, False, "\n" * 100_000, ""),
        ("mine", {}, False, "\0\xff{ not yaml", ""),
        ("mine", {}, False, "", ""),
    ],
)
def test_sd2_is_asked_in_turn(
    tmp_path: Path, name: str, metadata: dict[str, str], mark: bool, yaml: str, kind: str
) -> None:
    if yaml:
        (tmp_path / f"{name}.yaml").write_text(yaml)
    state = state_of(SD2) | (empty({"v_pred": ()}) if mark else {})
    model = model_of(tmp_path, state, f"{name}.safetensors", metadata=metadata)
    assert model.prediction_type == kind
    assert model.native_size == (512 if kind == "epsilon" else 768)
    assert model.components["unet"]["sample_size"] == model.native_size // 8


def test_a_yaml_that_comes_later_is_seen(tmp_path: Path) -> None:
    assert model_of(tmp_path, state_of(SD2)).prediction_type == ""
    (tmp_path / "model.yaml").write_text(YAML_EPS)
    assert identify("model.safetensors", tmp_path).prediction_type == "epsilon"


@pytest.mark.timeout(20)
def test_a_pipe_called_yaml_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.yaml")
    assert model_of(tmp_path, state_of(SD2)).prediction_type == ""


@pytest.mark.parametrize("family", [SD1, SDXL], ids=lambda family: family.name)
def test_other_families_predict_noise_unless_a_mark_says_otherwise(tmp_path: Path, family: Family) -> None:
    assert model_of(tmp_path, state_of(family)).prediction_type == "epsilon"
    marked = state_of(family) | empty({"v_pred": (), "ztsnr": ()})
    model = model_of(tmp_path, marked, "noob-vpred.safetensors")
    assert (model.prediction_type, model.native_size) == ("v_prediction", family.native_size)
    assert model.components["scheduler"]["prediction_type"] == "v_prediction"
    assert model.components["scheduler"]["rescale_betas_zero_snr"] is True


def test_what_the_user_says_counts_and_the_size_follows(tmp_path: Path) -> None:
    unknown = model_of(tmp_path, state_of(SD2))
    with pytest.raises(InputError, match=r"^model\.prediction_type: choose epsilon \(512\) or v_prediction \(768\)"):
        settle_prediction(unknown, "auto")
    base, large = (settle_prediction(unknown, kind) for kind in ("epsilon", "v_prediction"))
    assert (base.native_size, base.prediction_type, base.components["unet"]["sample_size"]) == (512, "epsilon", 64)
    assert (large.native_size, large.components["scheduler"]["prediction_type"]) == (768, "v_prediction")
