"""What base model a single file is, told from its header; the headers are the true ones, with no numbers behind them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from tests.checkpoints import ldm_state, make_parts, meta_parts, with_ema, write_header_only, write_single_file
from tinv_tui.errors import InputError
from tinv_tui.models import signatures
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.families import FAMILIES, SD1, SD2, SDXL, Family
from tinv_tui.models.identify import identify
from tinv_tui.models.layout import find_parts
from tinv_tui.models.prediction import settle_prediction
from tinv_tui.models.published import published_configs
from tinv_tui.models.tokenizer import tokenizer_for

State = dict[str, torch.Tensor]
Change = Callable[[State], State]

TRUE_CONFIGS = Path(os.environ.get("TINV_TEST_DATA", "/nowhere")) / "sd-configs"


@cache
def parts_of(family: Family) -> dict[str, dict[str, torch.Tensor]]:
    return meta_parts(published_configs(family))


@cache
def state_of(family: Family) -> State:
    """All tensors of the published model's file, without numbers."""
    return ldm_state(family, parts_of(family))


def model_of(folder: Path, state: Mapping[str, torch.Tensor], name: str = "model.safetensors", **how: Any) -> BaseModel:
    write_header_only(folder / name, state, **how)
    return identify(name, folder)


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        identify(str(path), Path("/"))
    assert caught.value.message.startswith(f"model.path: {path} ")
    assert caught.value.hint
    return caught.value


def without(*starts: str) -> Change:
    return lambda state: {name: tensor for name, tensor in state.items() if not name.startswith(starts)}


def empty(shapes: Mapping[str, tuple[int, ...]]) -> State:
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


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

_CLIP = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 1,
    "vocab_size": 500,
}
_VAE = {"block_out_channels": [32, 64], "layers_per_block": 1}
_VAE |= {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}
_UNET: dict[str, Any] = {"block_out_channels": [32, 64, 96], "cross_attention_dim": 64, "layers_per_block": 1}
_UNET |= {"down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"]}
_UNET |= {"up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"]}
_XL = {"cross_attention_dim": 64 + 80, "addition_time_embed_dim": 16, "projection_class_embeddings_input_dim": 176}
_XL |= {"transformer_layers_per_block": [1, 2, 3], "attention_head_dim": [1, 1, 2]}
_CLIP_G = _CLIP | {"hidden_size": 80, "projection_dim": 80, "num_attention_heads": 2, "num_hidden_layers": 2}


def narrow(family: Family, **unet: Any) -> dict[str, dict[str, Any]]:
    changes = {"unet": _UNET | unet, "vae": _VAE, "text_encoder": _CLIP, "text_encoder_2": _CLIP_G, "scheduler": {}}
    return {part: dict(config) | changes[part] for part, config in published_configs(family).items()}


NARROW = {
    SD1: narrow(SD1, attention_head_dim=8),
    SD2: narrow(SD2, attention_head_dim=[1, 1, 2]),
    SDXL: narrow(SDXL, **_XL),
}
_SSD = {"transformer_layers_per_block": [1, 2, 4], "layers_per_block": 2, "mid_block_type": "UNetMidBlock2D"}
_SSD |= {"reverse_transformer_layers_per_block": [[4, 4, 10], [2, 1, 1], 1]}
CUT_DOWN = {
    "narrow SD 1": (SD1, NARROW[SD1]),
    "narrow SD 2": (SD2, NARROW[SD2]),
    "narrow SDXL": (SDXL, NARROW[SDXL]),
    "SSD-1B": (SDXL, narrow(SDXL, **_XL | _SSD)),
    "KOALA": (SDXL, narrow(SDXL, **_XL | {"mid_block_type": None, "transformer_layers_per_block": [1, 2, 5]})),
    "other counts of layers": (SD1, narrow(SD1, layers_per_block=[1, 2, 3])),
    "a level less": (
        SD1,
        narrow(
            SD1,
            block_out_channels=[32, 64],
            down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
            up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
        ),
    ),
}


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

YAML_V = 'model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    parameterization: "v"\n'
YAML_EPS = "model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    linear_start: 0.00085\n"


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


# What is no base model


def lora() -> State:
    return empty({"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": (4, 320), "x.alpha": ()})


def changed_entry(family: Family, channels: int) -> State:
    name = "model.diffusion_model.input_blocks.0.0.weight"
    return state_of(family) | empty({name: (320, channels, 3, 3)})


def names(*listed: str) -> State:
    return empty(dict.fromkeys(listed, (4, 4)))


OTHERS: dict[str, tuple[Callable[[], State], str]] = {
    "LoRA of kohya": (lora, "is a LoRA"),
    "LoRA of diffusers": (lambda: names("unet.down_blocks.1.attentions.0.proj_in.lora.down.weight"), "is a LoRA"),
    "LoRA of peft": (lambda: names("transformer.single_transformer_blocks.0.attn.to_k.lora_A.weight"), "is a LoRA"),
    "LoHa": (lambda: names("lora_unet_mid_block_proj_in.hada_w1_a"), "is a LyCORIS"),
    "LoKr": (lambda: names("lora_te_text_model_encoder_layers_0_mlp_fc1.lokr_w1"), "is a LyCORIS"),
    "ControlNet": (lambda: names("control_model.zero_convs.0.0.weight"), "is a ControlNet"),
    "ControlNet with its model": (lambda: state_of(SD1) | names("control_model.zero_convs.0.0.weight"), "is a ControlNet with"),
    "ControlNet of diffusers": (
        lambda: names("controlnet_cond_embedding.conv_in.weight", "down_blocks.0.resnets.0.conv1.weight"), "is a ControlNet",
    ),
    "T2I-Adapter": (lambda: names("body.0.block1.weight", "conv_in.weight"), "is a T2I-Adapter"),
    "IP-Adapter": (lambda: names("image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"), "is an IP-Adapter"),
    "motion module": (
        lambda: names("down_blocks.0.motion_modules.0.temporal_transformer.norm.weight"), "is a motion module",
    ),
    "embedding": (lambda: empty({"emb_params": (4, 768)}), "is an embedding"),
    "SDXL embedding": (lambda: empty({"clip_g": (1, 1280), "clip_l": (1, 768)}), "is an embedding"),
    "Flux": (lambda: names("double_blocks.0.img_attn.norm.key_norm.scale", "img_in.weight"), "is Flux: not supported"),
    "Flux checkpoint": (
        lambda: names("model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "text_encoders.clip_l.logit_scale",
                      "vae.decoder.conv_in.weight"), "is Flux: not supported",
    ),
    "Chroma": (
        lambda: names("double_blocks.0.img_attn.qkv.weight", "distilled_guidance_layer.in_proj.bias"), "is Chroma",
    ),
    "SD 3": (
        lambda: names("model.diffusion_model.joint_blocks.0.context_block.attn.qkv.weight",
                      "text_encoders.clip_l.transformer.text_model.embeddings.token_embedding.weight",
                      "first_stage_model.encoder.conv_in.weight"), "is Stable Diffusion 3: not supported",
    ),
    "PixArt": (
        lambda: names("x_embedder.proj.weight", "y_embedder.y_embedding", "blocks.0.cross_attn.q_linear.weight"), "PixArt",
    ),
    "Stable Cascade": (lambda: names("clip_txt_mapper.weight", "down_blocks.0.0.channelwise.0.weight"), "Stable Cascade"),
    "Qwen-Image": (lambda: names("transformer_blocks.0.img_mod.1.weight", "txt_in.weight"), "Qwen-Image"),
    "inpainting": (lambda: changed_entry(SD1, 9), "is an inpainting model (9 channels)"),
    "XL inpainting": (lambda: changed_entry(SDXL, 9), "is an inpainting model (9 channels)"),
    "instruct-pix2pix": (lambda: changed_entry(SD1, 8), "is an instruct-pix2pix model (8 channels)"),
    "depth": (lambda: changed_entry(SD2, 5), "is a model that takes depth (5 channels)"),
    "x4 upscaler": (lambda: changed_entry(SD2, 7), "is an upscaler (7 channels)"),
    "unCLIP": (lambda: state_of(SD2) | names("model.diffusion_model.label_emb.0.0.weight"), "is an unCLIP model"),
    "refiner": (
        lambda: names("conditioner.embedders.0.model.ln_final.weight", "model.diffusion_model.input_blocks.0.0.weight"),
        "is the SDXL refiner",
    ),
    "video": (
        lambda: names("conditioner.embedders.0.open_clip.model.ln_final.weight",
                      "model.diffusion_model.input_blocks.1.0.time_stack.in_layers.0.weight"), "is a video model",
    ),
    "Playground 2.5": (lambda: state_of(SDXL) | names("edm_mean", "edm_std"), "is Playground 2.5"),
    "UNet of ComfyUI": (lambda: names("input_blocks.0.0.weight", "middle_block.0.in_layers.0.weight"), "is a UNet alone"),
    "UNet with VAE": (lambda: without("cond_stage_model.")(state_of(SD1)), "is a UNet alone, without text encoder"),
    "UNet with one of two text encoders": (
        lambda: without("conditioner.embedders.1.")(state_of(SDXL)), "is a UNet alone, without text encoder",
    ),
    "UNet of diffusers": (lambda: dict(parts_of(SD1)["unet"]), "is the UNet of a diffusers model"),
    "VAE": (lambda: {n.removeprefix("first_stage_model."): t for n, t in state_of(SD1).items() if "first_stage" in n},
            "is a VAE alone"),
    "VAE of a checkpoint": (lambda: {n: t for n, t in state_of(SD1).items() if "first_stage" in n}, "is a VAE alone"),
    "TAESD": (lambda: names("decoder.layers.0.weight", "encoder.layers.0.weight"), "is a tiny VAE alone"),
    "text encoder": (lambda: dict(ldm_state(SD1, {"text_encoder": parts_of(SD1)["text_encoder"]})), "is a text encoder alone"),
    "text encoder of transformers": (lambda: dict(parts_of(SDXL)["text_encoder_2"]), "is a text encoder alone"),
    "T5": (lambda: names("encoder.block.0.layer.0.SelfAttention.q.weight", "shared.weight"), "is a text encoder alone"),
    "ESRGAN": (lambda: names("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight"), "is an upscaler"),
    "RealESRGAN": (lambda: names("params_ema.conv_first.weight", "params_ema.body.0.rdb1.conv1.weight"), "is an upscaler"),
    "CLIP vision": (lambda: names("vision_model.encoder.layers.0.mlp.fc1.weight"), "is an image encoder"),
    "nothing known": (lambda: names("weight"), "is no model that is known here"),
    "nothing at all": (dict, "is no model that is known here"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_base_model_is_told_for_what_it_is(tmp_path: Path, name: str) -> None:
    make, said = OTHERS[name]
    error = refused(write_header_only(tmp_path / "it.safetensors", make()))
    assert (error.code, said in error.message) == ("model-unsupported", True), error.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"string_to_token": {"*": 265}, "string_to_param": {"*": torch.ones(2, 768)}, "name": "x"}, "is an embedding"),
        ({768: ({"linear.0.weight": torch.ones(2, 2)},) * 2, "step": 5, "name": "x"}, "is a hypernetwork"),
        ({"<cat>": torch.ones(768)}, "is an embedding"),
        ({"params_ema": {"conv_first.weight": torch.ones(2)}}, "is an upscaler"),
        ({"epoch": 3}, "is no model that is known here"),
    ],
)
def test_other_files_of_torch_are_told_too(tmp_path: Path, content: Any, said: str) -> None:
    torch.save(content, tmp_path / "it.pt")
    assert said in refused(tmp_path / "it.pt").message


def test_a_file_that_would_run_something_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    torch.save({"state_dict": Trap()}, tmp_path / "trap.ckpt")
    with pytest.raises(InputError) as caught:
        identify("trap.ckpt", tmp_path)
    assert caught.value.code == "torch-file-unsafe"
    assert caught.value.message.startswith("model.path: ")
    assert not (tmp_path / "sprung").exists()


def as_safetensors(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


ONE = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"", "model-broken", "is empty"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 42\n",
            "model-broken",
            "a pointer of git-lfs",
        ),
        (b"<!DOCTYPE html><html><body>Log in</body></html>", "model-broken", "is a web page"),
        (b"\n  <html lang=en>", "model-broken", "is a web page"),
        (b"GGUF\x03\0\0\0" + b"\0" * 50, "model-unsupported", "is GGUF"),
        (b'{"error": "not found"}', "model-format", "is neither"),
        (b"\x9c\x1c\x12\x98" + b"\0" * 20, "model-format", "is neither"),
        (as_safetensors(ONE, b"\0" * 7), "model-broken", "is cut off"),
        (as_safetensors(ONE, b"\0" * 9), "model-broken", "is too long"),
        (as_safetensors(ONE, b"\0" * 8)[:30], "model-broken", "is cut off"),
        (
            as_safetensors({"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, b"\0" * 8),
            "model-broken",
            "the numbers of w are not as many",
        ),
        (as_safetensors({"w": {"dtype": "F32"}}), "model-broken", "w is described in a way that makes no sense"),
        (as_safetensors({"w": 5}), "model-broken", "w is described in a way that makes no sense"),
        (as_safetensors(b'{"w":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "model-broken", "nested too deep"),
        (as_safetensors(ONE | {"__metadata__": [1]}, b"\0" * 8), "model-broken", "its metadata is no table"),
        (as_safetensors(b'{"w":{"dtype":"F32","shape":[1e999],"data_offsets":[0,0]}}'), "model-broken", "no sense"),
        (as_safetensors({"w": {"dtype": "X", "shape": [1] * 9, "data_offsets": [0, 0]}}), "model-broken", "no sense"),
        (as_safetensors(ONE | {"v": ONE["w"]}, b"\0" * 8), "model-broken", "its tensors overlap"),
        ((2**25).to_bytes(8, "little") + b"{}", "model-broken", "larger than that of any model"),
        (as_safetensors(b'{"w": '), "model-broken", ""),
        (as_safetensors(b'{"\xff'), "model-broken", ""),
        (b"PK\x03\x04" + b"\0" * 60, "model-broken", ""),
        (b"\x80\x02garbage", "model-broken", ""),
    ],
)
def test_what_is_no_file_of_weights_is_told_too(tmp_path: Path, content: bytes, code: str, said: str) -> None:
    path = tmp_path / "it.safetensors"
    path.write_bytes(content)
    error = refused(path)
    assert (error.code, said in error.message) == (code, True), error.message


def test_a_small_file_of_numpy_is_read_the_same_way(tmp_path: Path) -> None:
    save_file({"emb_params": np.ones((1, 768), np.float32)}, tmp_path / "e.safetensors")
    assert "is an embedding" in refused(tmp_path / "e.safetensors").message


@pytest.mark.timeout(20)
def test_a_pipe_called_yaml_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.yaml")
    assert model_of(tmp_path, state_of(SD2)).prediction_type == ""


def test_of_a_tensors_name_only_the_beginning_is_looked_at() -> None:
    assert signatures.what_it_is(["x." * 50 + "lora_up.weight"])[0] == "a LoRA"
    assert signatures.what_it_is(["x." * 200 + "lora_up.weight"])[0] == "no model that is known here"
