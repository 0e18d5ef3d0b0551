"""Base models of every family at toy size, as diffusers folders of a few hundred KB. Their weights are random."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from tinv_tui.models import bundled

Toy = Literal["sd1", "sd2-v", "sdxl"]

WIDTHS: dict[Toy, tuple[int, ...]] = {"sd1": (32,), "sd2-v": (48,), "sdxl": (32, 48)}
_POOLED = 40
_SIZE_NUMBER = 8
_SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}


def make_toy(folder: Path, toy: Toy, *, scheduler: dict[str, Any] | None = None, **index: Any) -> Path:
    """A model whose native size is 64 x 64, with the bundled model's vocabulary.

    ``scheduler`` changes its scheduler's configuration, ``index`` its model_index.json.
    """
    is_xl = toy == "sdxl"
    with torch.random.fork_rng():
        torch.manual_seed(7)
        _unet(toy).save_pretrained(folder / "unet")
        _vae().save_pretrained(folder / "vae")
        for number, width in enumerate(WIDTHS[toy]):
            more = f"_{number + 1}" if number else ""
            _text_encoder(toy, width, projects=bool(number)).save_pretrained(folder / f"text_encoder{more}")
            shutil.copytree(bundled.FOLDER / "tokenizer", folder / f"tokenizer{more}")
            if number or toy == "sd2-v":  # these families fill up with another token than the end's
                _set(folder / f"tokenizer{more}" / "tokenizer_config.json", pad_token="!")
    kind = "v_prediction" if toy == "sd2-v" else "epsilon"
    (folder / "scheduler").mkdir()
    _set(folder / "scheduler" / "scheduler_config.json", **(_SCHEDULER | {"prediction_type": kind} | (scheduler or {})))
    parts = {"vae": "AutoencoderKL", "unet": "UNet2DConditionModel", "scheduler": "DDIMScheduler"}
    named = {part: ["diffusers", name] for part, name in parts.items()}
    named |= {"text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"]}
    if is_xl:
        named |= {
            "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
            "tokenizer_2": ["transformers", "CLIPTokenizer"],
        }
        index = {"force_zeros_for_empty_prompt": True} | index
    else:
        index |= {"safety_checker": [None, None], "feature_extractor": [None, None], "requires_safety_checker": False}
    pipeline = "StableDiffusionXLPipeline" if is_xl else "StableDiffusionPipeline"
    _set(folder / "model_index.json", _class_name=pipeline, **named, **index)
    return folder


def make_tiny_vae(folder: Path) -> Path:
    """A tiny VAE that decodes the latents of the toys."""
    levels: dict[str, Any] = {f"{half}_block_out_channels": (16, 16, 16) for half in ("encoder", "decoder")} | {
        "num_encoder_blocks": (1, 1, 1),
        "num_decoder_blocks": (1, 1, 1),
    }
    with torch.random.fork_rng():
        torch.manual_seed(7)
        AutoencoderTiny(**levels).save_pretrained(folder)
    return folder


def _set(path: Path, **values: Any) -> None:
    held = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(held | values, indent=1))


def _unet(toy: Toy) -> UNet2DConditionModel:
    sizes: dict[str, Any] = {}
    if toy == "sdxl":
        sizes = {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": _SIZE_NUMBER,
            "projection_class_embeddings_input_dim": _POOLED + 6 * _SIZE_NUMBER,
        }
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=4,
        cross_attention_dim=sum(WIDTHS[toy]),
        use_linear_projection=toy != "sd1",
        **sizes,
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        norm_num_groups=4,
        mid_block_add_attention=False,
        scaling_factor=0.5,
        sample_size=64,
    )


def _text_encoder(toy: Toy, width: int, *, projects: bool) -> CLIPTextModel | CLIPTextModelWithProjection:
    vocabulary = json.loads((bundled.FOLDER / "tokenizer" / "vocab.json").read_text(encoding="utf-8"))
    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=4,
        projection_dim=_POOLED,
        hidden_act="quick_gelu" if toy == "sd1" or (toy == "sdxl" and not projects) else "gelu",
        bos_token_id=vocabulary["<|startoftext|>"],
        eos_token_id=vocabulary["<|endoftext|>"],
        initializer_factor=3.0,  # so that a prompt makes a difference though nothing was learned
    )
    return (CLIPTextModelWithProjection if projects else CLIPTextModel)(config)
