"""Base models of every family with random weights, loaded by the program and by the libraries, to be compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from tests.checkpoints import ldm_state, make_parts
from tinv_tui.models import bundled
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.families import SD1, SD2, SDXL, Family
from tinv_tui.models.loading import LoadedModel, load_model

CPU = torch.device("cpu")
SCHEDULER = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
TEXT = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "projection_dim": 32,
    "bos_token_id": 298,
    "eos_token_id": 299,
}
UNET = {
    "sample_size": 8,
    "block_out_channels": [32, 64, 64],
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 2,
    "attention_head_dim": 8,
    "cross_attention_dim": 32,
}
VAE = {
    "block_out_channels": [32, 32, 64],
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 8,
}
CONFIGURATIONS: dict[Family, dict[str, dict[str, Any]]] = {
    SD1: {"unet": UNET, "vae": VAE, "text_encoder": TEXT},
    SD2: {
        "unet": UNET | {"use_linear_projection": True, "attention_head_dim": [2, 4, 4]},
        "vae": VAE,
        "text_encoder": TEXT | {"hidden_act": "gelu"},
    },
    SDXL: {
        "unet": UNET
        | {
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            "transformer_layers_per_block": [1, 2, 3],
            "use_linear_projection": True,
            "cross_attention_dim": 80,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 24 + 6 * 8,
        },
        "vae": VAE | {"scaling_factor": 0.13025},
        "text_encoder": TEXT,
        "text_encoder_2": TEXT | {"hidden_size": 48, "hidden_act": "gelu", "projection_dim": 24},
    },
}


def random_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Family, Path]:
    """The weights of a diffusers folder for each family, random."""
    found = {}
    for family, configurations in CONFIGURATIONS.items():
        found[family] = tmp_path_factory.mktemp(family.name)
        torch.manual_seed(3)
        for part, module in make_parts(configurations).items():
            with torch.no_grad():
                for weight in module.parameters():  # norms begin as ones and zeros, which hides a mistake
                    weight.copy_(torch.randn_like(weight) * 0.1)
            module.save_pretrained(found[family] / part)
    return found


def base_of(path: Path, family: Family, **changed: Any) -> BaseModel:
    """What the program knows of such a model; ``changed`` changes it."""
    texts = [CONFIGURATIONS[family][encoder.folder] for encoder in family.encoders]
    facts = {
        "name": path.stem,
        "path": path,
        "family": family,
        "widths": tuple(text["hidden_size"] for text in texts),
        "native_size": 32,
        "latent_factor": 4,
        "latent_channels": 4,
        "prediction_type": "epsilon",
        "encoder_layers": 3,
        "tokenizer_folders": (bundled.FOLDER / "tokenizer",) * len(texts),
        "weight_bytes": 1,
        "components": CONFIGURATIONS[family] | {"scheduler": SCHEDULER},
    }
    return BaseModel(**(facts | changed))


def load(path: Path, family: Family, dtype: torch.dtype = torch.float32, **more: Any) -> LoadedModel:
    """As the program loads it."""
    return load_model(base_of(path, family), CPU, dtype, **more)


def parts_of(model: LoadedModel) -> dict[str, torch.nn.Module]:
    """Its modules by the names of their folders."""
    encoders = [encoder.folder for encoder in model.base.family.encoders]
    return dict(zip(encoders, model.text_encoders, strict=True)) | {"unet": model.unet, "vae": model.vae}


def stock_parts(folder: Path, family: Family) -> dict[str, torch.nn.Module]:
    """As the libraries load them."""
    parts: dict[str, torch.nn.Module] = {
        encoder.folder: (CLIPTextModelWithProjection if encoder.pooled else CLIPTextModel).from_pretrained(
            folder / encoder.folder, dtype=torch.float32
        )
        for encoder in family.encoders
    }
    return parts | {
        "unet": UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32),
        "vae": AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32),
    }


def state_of(folder: Path, family: Family) -> dict[str, torch.Tensor]:
    """The folder's weights by the names of a single file."""
    return ldm_state(
        family,
        {part.name: load_file(next(part.glob("*.safetensors"))) for part in folder.iterdir() if part.is_dir()},
    )


def differing(ours: Mapping[str, torch.nn.Module], theirs: Mapping[str, torch.nn.Module]) -> list[str]:
    """Names of weights and buffers that are not the same to the last bit."""
    found = []
    for part, module in theirs.items():
        mine, wanted = ours[part], dict(module.state_dict()) | dict(module.named_buffers())
        held = dict(mine.state_dict()) | dict(mine.named_buffers())
        assert held.keys() == wanted.keys()
        found += [f"{part}.{name}" for name, weight in wanted.items() if not torch.equal(held[name], weight)]
    return found
