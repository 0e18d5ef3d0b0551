"""Base models of true shape with random weights: for speed, memory and exactness. They draw nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tinv_tui.models.families import FAMILIES, Family
from tinv_tui.models.modules import quiet_libraries
from tinv_tui.models.published import FOLDER, published_configs, tokenizer_folders
from tinv_tui.models.shapes import TINY

_TINY_WIDTHS = [32, 64, 64, 64]
_TINY_TEXT = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4}
_TINY_PROJECTION = 64


def make_random_model(shape: str, folder: Path, *, seed: int = 0, drawn_on: str = "cpu") -> None:
    """Write a diffusers folder, fp32, of one of the ``shapes``. Raises OSError.

    The same kind of device draws the same weights; a GPU does so in a second.
    """
    family = _family(shape)
    configs = {part: dict(config) for part, config in published_configs(family).items()}
    if shape.endswith(TINY):
        _shrink(configs, family)
    quiet_libraries()
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers.models.clip.configuration_clip import CLIPTextConfig
    from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

    index: dict[str, Any] = {"_class_name": family.pipeline, "scheduler": ["diffusers", "DDIMScheduler"]}
    with torch.random.fork_rng(), torch.device(drawn_on):
        torch.manual_seed(seed)
        _save(UNet2DConditionModel.from_config(configs["unet"]), folder / "unet")
        _save(AutoencoderKL.from_config(configs["vae"]), folder / "vae")
        for encoder, tokenizer in zip(family.encoders, tokenizer_folders(family), strict=True):
            kind = CLIPTextModelWithProjection if encoder.pooled else CLIPTextModel
            _save(kind(CLIPTextConfig(**configs[encoder.folder])), folder / encoder.folder)
            _save_tokenizer(tokenizer, folder / encoder.tokenizer)
            index |= {
                encoder.folder: ["transformers", kind.__name__],
                encoder.tokenizer: ["transformers", "CLIPTokenizer"],
            }
    index |= {"unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(configs["scheduler"]), encoding="utf-8")
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")


def quickest_device(shape: str) -> str:
    """A GPU, where there is one with room for the largest part, the UNet."""
    held = 4 * _family(shape).unet_parameters * 1.25  # fp32, and what its drawing takes beside it
    has_room = torch.cuda.is_available() and torch.cuda.mem_get_info()[0] > held
    return "cuda" if has_room else "cpu"


def _family(shape: str) -> Family:
    return next(family for family in FAMILIES if family.name.lower() == shape.removesuffix(TINY))


def _save(module: Any, folder: Path) -> None:
    module.save_pretrained(folder)


def _save_tokenizer(source: Path, folder: Path) -> None:
    folder.mkdir()
    for file in (FOLDER / "tokenizer" / "vocab.json", FOLDER / "tokenizer" / "merges.txt", *source.iterdir()):
        shutil.copy(file, folder)
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


def _shrink(configs: Mapping[str, dict[str, Any]], family: Family) -> None:
    unet, vae = configs["unet"], configs["vae"]
    widths = _TINY_WIDTHS[: len(unet["block_out_channels"])]
    encoders = [configs[encoder.folder] for encoder in family.encoders]
    for text in encoders:
        text |= _TINY_TEXT | {"projection_dim": _TINY_PROJECTION}
    unet |= {
        "block_out_channels": widths,
        "cross_attention_dim": len(encoders) * _TINY_TEXT["hidden_size"],
    }
    if not isinstance(unet["attention_head_dim"], int):
        unet["attention_head_dim"] = [width // 16 for width in widths]
    if family.size_conditioning:
        told = _TINY_PROJECTION + 6 * unet["addition_time_embed_dim"]
        unet |= {"projection_class_embeddings_input_dim": told, "transformer_layers_per_block": 1}
    vae |= {"block_out_channels": [32, 32, 64, 64], "layers_per_block": 1}
