"""Tells what a base model is from its small files and headers, without torch and without reading weights."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tinv_tui.errors import InputError
from tinv_tui.models import bundled
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.counts import count, levels
from tinv_tui.models.families import FAMILIES, SD1, SD2, Family
from tinv_tui.models.hub import fetched_folder, is_hub_id
from tinv_tui.models.part_files import is_half, part_files
from tinv_tui.models.single_file import identify_file


def locate(path: str, beside: Path) -> Path:
    """Where the base model a recipe names lies; for a path that is no hub id, whether or not something is there.

    Raises InputError for a hub id that is not on this machine.
    """
    if path == bundled.NAME:
        return bundled.FOLDER
    return fetched_folder(path) if is_hub_id(path, beside) else beside / os.path.expanduser(path)


def identify(path: str, beside: Path) -> BaseModel:
    """The base model a recipe names: "bundled", a single file, a diffusers folder, or its hub id if it was fetched.

    Raises InputError saying what it is instead.
    """
    folder = locate(path, beside)
    if os.path.isfile(folder):  # to pathlib a name that is too long is an error
        return identify_file(folder)
    if not os.path.isdir(folder):
        raise InputError(
            "model-missing",
            f"model.path: there is no folder and no file {folder}",
            'Give a .safetensors or .ckpt file, a diffusers folder (it holds model_index.json), or "bundled".',
        )
    if not (folder / "model_index.json").is_file():
        raise InputError(
            "model-format",
            f"model.path: {folder} has no model_index.json",
            "Give a diffusers folder, or a single file.",
        )
    named = path == bundled.NAME or is_hub_id(path, beside)
    return _folder_model(folder.resolve(), path.rpartition("/")[2] if named else folder.resolve().name)


def _folder_model(folder: Path, name: str) -> BaseModel:
    index = _read(folder / "model_index.json")
    pipeline = str(index.get("_class_name", ""))
    if pipeline not in {family.pipeline for family in FAMILIES}:
        raise InputError(
            "model-unsupported",
            f"model.path: {folder} is a {pipeline or 'nameless'} model, which cannot be trained on",
            f"Use a model of {', '.join(family.label for family in FAMILIES)}.",
        )
    vae, unet = _read(folder / "vae" / "config.json"), _read(folder / "unet" / "config.json")
    scheduler = _read(folder / "scheduler" / "scheduler_config.json")
    family = _family(pipeline, _read(folder / "text_encoder" / "config.json"))
    texts = {encoder.folder: _read(folder / encoder.folder / "config.json") for encoder in family.encoders}
    if unet.get("in_channels") != vae.get("latent_channels"):
        raise InputError(
            "model-unsupported",
            f"model.path: the UNet of {folder} takes {unet.get('in_channels')} channels: an inpainting model?",
            "Use the family's plain model; the embedding works in its inpainting sister too.",
        )
    try:
        parts = (*(encoder.folder for encoder in family.encoders), "unet", "vae")
        weights = [file for part in parts for file in part_files(folder / part)]
        factor = 2 ** (levels(vae, "block_out_channels") - 1)
        return BaseModel(
            name=name,
            path=folder,
            family=family,
            widths=tuple(count(text, "hidden_size") for text in texts.values()),
            native_size=count(unet, "sample_size") * factor,
            latent_factor=factor,
            latent_channels=count(vae, "latent_channels"),
            prediction_type=str(scheduler.get("prediction_type", "epsilon")),
            encoder_layers=min(count(text, "num_hidden_layers") for text in texts.values()),
            tokenizer_folders=tuple(folder / encoder.tokenizer for encoder in family.encoders),
            weight_bytes=sum(p.stat().st_size for p in weights),
            variant="fp16" if all(map(is_half, weights)) else None,
            encodes_empty=index.get("force_zeros_for_empty_prompt") is False,
            components={"unet": unet, "vae": vae, "scheduler": scheduler, **texts},
        )
    except KeyError as error:
        raise InputError(
            "model-broken", f"model.path: {folder}: its configuration lacks {error}", "The model folder is incomplete."
        ) from None
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            "model-broken", f"model.path: {folder}: its configuration makes no sense: {error}", "Get it again."
        ) from None
    except OSError as error:  # a link whose file was taken away
        raise InputError(
            "model-broken", f"model.path: {error.filename}: {error.strerror}", "The model folder is incomplete."
        ) from None


def _family(pipeline: str, text: dict[str, Any]) -> Family:
    """SD 1.x carries OpenAI's text encoder (quick_gelu), SD 2.x OpenCLIP's (gelu); widths tell no family."""
    alike = [family for family in FAMILIES if family.pipeline == pipeline]
    if len(alike) == 1:
        return alike[0]
    return SD1 if text.get("hidden_act", "quick_gelu") == "quick_gelu" else SD2


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(
            "model-broken", f"model.path: {path}: {error.strerror}", "The model folder is incomplete."
        ) from None
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError("model-broken", f"model.path: {path}: {error}", "The model folder is incomplete.") from None
