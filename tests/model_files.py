"""Single files of base models: the true headers with no numbers behind them, and narrow or cut-down models to fill."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.checkpoints import ldm_state, meta_parts, write_header_only
from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.families import SD1, SD2, SDXL, Family
from tinv_tui.models.identify import identify
from tinv_tui.models.published import published_configs

State = dict[str, torch.Tensor]
Change = Callable[[State], State]

# Beside a file: what the model predicts.
YAML_V = 'model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    parameterization: "v"\n'
YAML_EPS = "model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    linear_start: 0.00085\n"

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
    """The configurations of a published model, narrow; ``unet`` changes those of its UNet."""
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


@cache
def parts_of(family: Family) -> dict[str, dict[str, torch.Tensor]]:
    """The tensors of the published model's folder, without numbers."""
    return meta_parts(published_configs(family))


@cache
def state_of(family: Family) -> State:
    """All tensors of the published model's file, without numbers."""
    return ldm_state(family, parts_of(family))


def model_of(folder: Path, state: Mapping[str, torch.Tensor], name: str = "model.safetensors", **how: Any) -> BaseModel:
    """What the file is told to be; ``how`` is for the header that is written."""
    write_header_only(folder / name, state, **how)
    return identify(name, folder)


def refused(path: Path) -> InputError:
    """Why the file is refused."""
    with pytest.raises(InputError) as caught:
        identify(str(path), Path("/"))
    assert caught.value.message.startswith(f"model.path: {path} ")
    assert caught.value.hint
    return caught.value


def without(*starts: str) -> Change:
    """Leaves out the tensors whose names start so."""
    return lambda state: {name: tensor for name, tensor in state.items() if not name.startswith(starts)}


def empty(shapes: Mapping[str, tuple[int, ...]]) -> State:
    """Tensors of these shapes, without numbers."""
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def names(*listed: str) -> State:
    """Tensors whose names alone matter."""
    return empty(dict.fromkeys(listed, (4, 4)))
