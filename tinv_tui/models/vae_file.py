"""Tells what a VAE is that stands in for the model's own, a folder or a file, without torch and without reading weights."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.counts import count, levels
from tinv_tui.models.derived import Config, Unusual, vae_config
from tinv_tui.models.families import SDXL
from tinv_tui.models.layout import VAE
from tinv_tui.models.published import published_configs
from tinv_tui.models.signatures import what_it_is
from tinv_tui.models.weight_file import WeightFile, read_weight_file

_TINY_CLASS = "AutoencoderTiny"
_TINY_LEVELS = 4
_TINY_BLOCKS = (1, 3, 3, 3)
_WIDTHS = {"kl": "block_out_channels", "tiny": "decoder_block_out_channels"}


@dataclass(frozen=True)
class VaeFile:
    """A VAE on disk."""

    kind: Literal["kl", "tiny"]
    """One that encodes and decodes, or a small one (TAESD) that is only good for a quick look."""
    path: Path
    """A diffusers folder, or a single file."""
    config: Mapping[str, Any] = field(repr=False)
    """What AutoencoderKL or AutoencoderTiny takes."""
    prefix: str = ""
    """In a file: what stands before each tensor's name in the original layout ("first_stage_model.")."""

    @property
    def latent_channels(self) -> int:
        return int(self.config.get("latent_channels", 4))

    @property
    def latent_factor(self) -> int:
        """Pixels per latent cell and side."""
        return int(2 ** (len(self.config.get(_WIDTHS[self.kind], range(_TINY_LEVELS))) - 1))


def identify_vae(path: Path, model: BaseModel, key: str = "model.vae") -> VaeFile:
    """What VAE a path is. What no file tells, its scale, is taken to be as in the model's family.

    Raises InputError that names ``key`` where it is none, or one of another family.
    """
    if os.path.isdir(path):  # to pathlib a name that is too long is an error
        found = _folder(path, key)
    elif os.path.isfile(path):
        found = _file(read_weight_file(path, key), model, key)
    else:
        raise InputError("vae-missing", f"{key}: there is no {path}", "Give a VAE file, or a diffusers VAE folder.")
    if (found.latent_channels, found.latent_factor) != (model.latent_channels, model.latent_factor):
        raise InputError(
            "vae-misfit",
            f"{key}: {path} makes latents of {found.latent_channels} channels at 1/{found.latent_factor} of the size, "
            f"the model takes {model.latent_channels} at 1/{model.latent_factor}",
            "Use a VAE of the model's own family.",
        )
    name = path.name.lower()
    if found.kind == "tiny" and "taesd" in name and ("taesdxl" in name) != (model.family == SDXL):
        raise InputError(
            "vae-misfit",
            f"{key}: {path.name} is not for {model.family.label}",
            f"Use {model.family.tiny_vae.rpartition('/')[2]}.",
        )
    return found


def check_vaes(model: BaseModel, vae: str, tiny_vae: str = "") -> None:
    """Look at what a recipe's ``model.vae`` and ``preview.tiny_vae`` name, each where it is given.

    Raises InputError for one that does not fit, is of the other kind, or is missing where the model has none of its own.
    """
    small = model.family.tiny_vae.rpartition("/")[2]
    if vae and identify_vae(Path(vae), model).kind == "tiny":
        raise InputError(
            "vae-misfit", f"model.vae: {vae} is a tiny VAE, too coarse to train with", "It goes into preview.tiny_vae."
        )
    if not vae and not model.has_vae:
        raise InputError(
            "vae-missing",
            f"model.vae: {model.path.name} comes without a VAE: give one",
            f"A VAE file of {model.family.label} (.safetensors, .ckpt, .pt), or a diffusers VAE folder.",
        )
    if tiny_vae and identify_vae(Path(tiny_vae), model, "preview.tiny_vae").kind != "tiny":
        raise InputError(
            "vae-misfit",
            f"preview.tiny_vae: {tiny_vae} is a VAE of full size",
            f"Give {small}; model.vae takes this one.",
        )


def _folder(folder: Path, key: str) -> VaeFile:
    try:
        config = dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InputError(
            "vae-missing", f"{key}: {folder} is not a diffusers VAE folder", "It must hold config.json."
        ) from None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError("vae-broken", f"{key}: {folder / 'config.json'}: {error}", "Is it complete?") from None
    kind: Literal["kl", "tiny"] = "tiny" if config.get("_class_name") == _TINY_CLASS else "kl"
    if kind == "kl" and _WIDTHS[kind] not in config:
        raise InputError(
            "vae-missing", f"{key}: {folder} is not a diffusers VAE folder", "Its config.json is of another."
        )
    try:
        for name, read in ((_WIDTHS[kind], levels), ("latent_channels", count)):
            if name in config:  # what is not said has a default of its own, null has none
                read(config, name)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            "vae-broken", f"{key}: {folder / 'config.json'} makes no sense: {error}", "Get it again."
        ) from None
    return VaeFile(kind, folder, config)


def _file(file: WeightFile, model: BaseModel, key: str) -> VaeFile:
    for prefix in (VAE, ""):
        shapes = file.shapes(prefix)
        if "decoder.conv_in.weight" in shapes and any(name.startswith("encoder.down.") for name in shapes):
            try:
                return VaeFile("kl", file.path, vae_config(shapes, published_configs(model.family)["vae"]), prefix)
            except (Unusual, KeyError, IndexError) as error:
                raise InputError(
                    "vae-broken", f"{key}: {file.path}: {error}", "Use a VAE of the usual build."
                ) from None
    shapes = file.shapes()
    if any(name.startswith(("encoder.down_blocks.", "decoder.up_blocks.")) for name in shapes):
        raise InputError(
            "vae-missing", f"{key}: {file.path} is the weights of a diffusers VAE folder", "Give the folder around it."
        )
    if tiny := _tiny_config(shapes):
        return VaeFile("tiny", file.path, tiny)
    if "1.conv.0.weight" in shapes or "encoder.layers.0.weight" in shapes:
        raise InputError("vae-missing", f"{key}: {file.path} is the half of TAESD that encodes", "Give taesd_decoder.")
    label, _ = what_it_is(shapes)
    raise InputError("vae-missing", f"{key}: {file.path} is {label}", "Give a VAE.")


def _tiny_config(shapes: Mapping[str, tuple[int, ...]]) -> Config | None:
    """Of TAESD: by diffusers' names, or by those of its decoder alone, which begins with a clamp and counts from 1."""
    first = shapes.get("decoder.layers.0.weight") or (shapes.get("1.weight") if "3.conv.0.weight" in shapes else None)
    if first is None or len(first) != 4:
        return None
    widths = [first[0]] * _TINY_LEVELS
    return {
        "latent_channels": first[1],
        "encoder_block_out_channels": widths,
        "decoder_block_out_channels": widths,
        "num_encoder_blocks": list(_TINY_BLOCKS),
        "num_decoder_blocks": list(_TINY_BLOCKS[::-1]),
    }
