"""Builds the modules of a base model from their configurations: on "meta", without weights and without memory for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel

# The parts are imported from their own modules: the packages' roots take twice as long (pipelines, vision).


def quiet_libraries() -> None:
    """Keep progress bars and notices out of the log. Call before diffusers or transformers is imported."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def build_unet(base: BaseModel) -> nn.Module:
    """A UNet2DConditionModel. Raises InputError for a configuration that makes none."""
    quiet_libraries()
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    return _build(f"model.path: {base.path}: its UNet", UNet2DConditionModel.from_config, base.components["unet"])


def build_text_encoders(base: BaseModel) -> dict[str, nn.Module]:
    """A CLIPTextModel, or a CLIPTextModelWithProjection, for each encoder, by its folder. Raises InputError."""
    quiet_libraries()
    from transformers.models.clip.configuration_clip import CLIPTextConfig
    from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

    def plain(config: dict[str, Any]) -> nn.Module:
        module: nn.Module = CLIPTextModel(CLIPTextConfig(**config))
        return module

    def pooled(config: dict[str, Any]) -> nn.Module:
        module: nn.Module = CLIPTextModelWithProjection(CLIPTextConfig(**config))
        return module

    found = dict[str, nn.Module]()
    for encoder in base.family.encoders:
        title = f"model.path: {base.path}: its {encoder.folder}"
        make = pooled if encoder.pooled else plain
        found[encoder.folder] = _build(title, make, base.components[encoder.folder])
    return found


def build_vae(title: str, config: Mapping[str, Any]) -> nn.Module:
    """An AutoencoderKL. ``title`` begins the message of the InputError for a configuration that makes none."""
    quiet_libraries()
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    return _build(title, AutoencoderKL.from_config, config)


def build_tiny_vae(title: str, config: Mapping[str, Any]) -> nn.Module:
    """An AutoencoderTiny without its encoder. Raises InputError."""
    quiet_libraries()
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

    vae = _build(title, AutoencoderTiny.from_config, config)
    vae.encoder = nn.Identity()
    return vae


def _build(title: str, make: Callable[[dict[str, Any]], nn.Module], config: Mapping[str, Any]) -> nn.Module:
    try:
        with torch.device("meta"):
            return make(dict(config))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, NotImplementedError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError("model-broken", f"{title}: {reason}", "Its configuration makes no sense.") from None
