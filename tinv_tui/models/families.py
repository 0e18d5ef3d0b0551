"""Tells what a base model is from its small files, without torch and without reading weights."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinv_tui.errors import InputError
from tinv_tui.models import bundled


@dataclass(frozen=True)
class Family:
    """What the models of one family have in common."""

    name: str
    label: str
    tensor: str
    """Name of the embedding's tensor in a file."""


SD1 = Family("SD1", "SD 1.x", "emb_params")
SD2 = Family("SD2", "SD 2.x", "emb_params")


@dataclass(frozen=True)
class BaseModel:
    """A base model on disk. Sizes are pixels."""

    name: str
    folder: Path
    family: Family
    width: int
    """Width of one vector: the text encoder's hidden size."""
    native_size: int
    latent_factor: int
    """Pixels per latent cell and side."""
    latent_channels: int
    prediction_type: str
    encoder_layers: int
    weight_bytes: int
    """Size of the weight files on disk."""
    variant: str | None
    """"fp16" for a folder that holds no other weights."""

    @property
    def is_small(self) -> bool:
        """Too small for half precision or a second thread to pay: the bundled model, and toys in tests."""
        return self.weight_bytes < 50_000_000

    @property
    def size_grid(self) -> int:
        """Training sides are multiples of this: the UNet halves the latent a few times."""
        return self.latent_factor * 8 if self.native_size >= 256 else self.latent_factor * 4

    @property
    def tokenizer_folder(self) -> Path:
        return self.folder / "tokenizer"


def identify(path: str, beside: Path) -> BaseModel:
    """The base model a recipe names: "bundled" or a diffusers folder. Raises InputError saying what it is instead."""
    folder = bundled.FOLDER if path == bundled.NAME else (beside / os.path.expanduser(path))
    if folder.is_file():
        raise InputError(
            "model-format",
            f"model.path: {path} is a single file; only diffusers folders can be trained on so far",
            "Convert it with diffusers' convert_original_stable_diffusion_to_diffusers script.",
        )
    if not folder.is_dir():
        raise InputError(
            "model-missing",
            f"model.path: there is no folder {folder}",
            'Give a diffusers folder (it holds model_index.json), or "bundled".',
        )
    if not (folder / "model_index.json").is_file():
        raise InputError("model-format", f"model.path: {folder} has no model_index.json", "Give a diffusers folder.")
    index = _read(folder / "model_index.json")
    pipeline = str(index.get("_class_name", ""))
    if pipeline != "StableDiffusionPipeline":
        raise InputError(
            "model-unsupported",
            f"model.path: {folder} is a {pipeline or 'nameless'} model, which cannot be trained on",
            "Use a Stable Diffusion 1.x or 2.x model.",
        )
    text = _read(folder / "text_encoder" / "config.json")
    vae = _read(folder / "vae" / "config.json")
    unet = _read(folder / "unet" / "config.json")
    scheduler = _read(folder / "scheduler" / "scheduler_config.json")
    if unet.get("in_channels") != vae.get("latent_channels"):
        raise InputError(
            "model-unsupported",
            f"model.path: the UNet of {folder} takes {unet.get('in_channels')} channels: an inpainting model?",
            "Use the family's plain model; the embedding works in its inpainting sister too.",
        )
    weights = _weights(folder)
    try:
        factor = 2 ** (len(vae["block_out_channels"]) - 1)
        return BaseModel(
            name=bundled.NAME if path == bundled.NAME else folder.resolve().name,
            folder=folder.resolve(),
            # SD 1.x carries OpenAI's text encoder (quick_gelu), SD 2.x OpenCLIP's (gelu); widths tell no family.
            family=SD1 if text.get("hidden_act", "quick_gelu") == "quick_gelu" else SD2,
            width=int(text["hidden_size"]),
            native_size=int(unet["sample_size"]) * factor,
            latent_factor=factor,
            latent_channels=int(vae["latent_channels"]),
            prediction_type=str(scheduler.get("prediction_type", "epsilon")),
            encoder_layers=int(text["num_hidden_layers"]),
            weight_bytes=sum(p.stat().st_size for p in weights),
            variant="fp16" if all(".fp16." in p.name for p in weights) else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            "model-broken", f"model.path: {folder}: its configuration lacks {error}", "The model folder is incomplete."
        ) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError("model-broken", f"model.path: {path}: {error}", "The model folder is incomplete.") from None


def check_vae(folder: Path, model: BaseModel) -> None:
    """Raise InputError unless the folder holds a VAE whose latents the model's UNet understands."""
    if not (folder / "config.json").is_file():
        raise InputError(
            "vae-missing", f"model.vae: {folder} is not a diffusers VAE folder", "It must hold config.json."
        )
    config = _read(folder / "config.json")
    factor = 2 ** (len(config.get("block_out_channels", ())) - 1)
    if (config.get("latent_channels"), factor) != (model.latent_channels, model.latent_factor):
        raise InputError(
            "vae-misfit",
            f"model.vae: {folder} makes latents of {config.get('latent_channels')} channels at 1/{factor} of the size, "
            f"the model takes {model.latent_channels} at 1/{model.latent_factor}",
            "Use a VAE of the model's own family.",
        )


def _weights(folder: Path) -> list[Path]:
    """One weight file set per trained part; safetensors preferred where both kinds lie there."""
    found = list[Path]()
    for part in ("text_encoder", "unet", "vae"):
        files = [p for p in (folder / part).glob("*.safetensors") if ".fp16." not in p.name]
        files = files or list((folder / part).glob("*.safetensors")) or list((folder / part).glob("*.bin"))
        if not files:
            raise InputError(
                "model-broken", f"model.path: {folder / part} holds no weights", "The model folder is incomplete."
            )
        found += files
    return found
