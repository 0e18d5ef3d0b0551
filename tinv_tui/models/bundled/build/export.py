"""Writes the trained parts as one diffusers folder, fp16, readable by everybody."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from tinv_tui.models.bundled.build import parts
from tinv_tui.models.bundled.build.vocabulary import Vocabulary, write_tokenizer


def without_struck_rows(text: CLIPTextModel, vocabulary: Vocabulary) -> CLIPTextModel:
    """A copy of the text encoder whose table ends with the end token: struck words are gone for good."""
    config = CLIPTextConfig(**{**text.config.to_dict(), "vocab_size": len(vocabulary.tokens)})
    cut = CLIPTextModel(config)
    weights = {k: v.clone() for k, v in text.state_dict().items()}
    table = next(k for k in weights if k.endswith("token_embedding.weight"))
    weights[table] = weights[table][: len(vocabulary.tokens)]
    cut.load_state_dict(weights)
    return cut


def write_usual_names(file: Path) -> None:
    """Name a text encoder's weights as every published one does: transformers 5 leaves out a prefix, without which 4 finds
    none of them and draws them by chance."""
    weights = {f"text_model.{name.removeprefix('text_model.')}": weight for name, weight in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})


def export(
    vae: AutoencoderKL, unet: UNet2DConditionModel, text: CLIPTextModel, vocabulary: Vocabulary, folder: Path
) -> None:
    """Write ``folder`` anew; the models handed in stay as they are."""
    shutil.rmtree(folder, ignore_errors=True)
    half_vae = AutoencoderKL.from_config(vae.config)
    half_vae.load_state_dict(vae.state_dict())
    # from_config takes a key that was left at its default when the VAE was made for unset, and forgets what was set since.
    half_vae.register_to_config(scaling_factor=vae.config.scaling_factor)
    half_vae.half().save_pretrained(folder / "vae")
    half_unet = UNet2DConditionModel.from_config(unet.config)
    half_unet.load_state_dict(unet.state_dict())
    half_unet.half().save_pretrained(folder / "unet")
    without_struck_rows(text, vocabulary).to(torch.float16).save_pretrained(folder / "text_encoder")
    write_usual_names(folder / "text_encoder" / "model.safetensors")
    write_tokenizer(vocabulary, folder / "tokenizer")
    DDIMScheduler(**parts.SCHEDULE).save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.30.0",
        "vae": ["diffusers", "AutoencoderKL"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "feature_extractor": [None, None],
        "safety_checker": [None, None],
        "requires_safety_checker": False,
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    for path in folder.rglob("*"):  # the libraries write some weights 0600: an installed model must be readable by all
        path.chmod(0o755 if path.is_dir() else 0o644)
