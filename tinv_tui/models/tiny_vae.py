"""Loads the small VAE that draws previews in little time and memory (TAESD, by madebyollin): its decoder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from tinv_tui.models.filling import fill, find_part
from tinv_tui.models.modules import build_tiny_vae
from tinv_tui.models.original_names import Source
from tinv_tui.models.part_files import part_files
from tinv_tui.models.vae_file import VaeFile
from tinv_tui.models.weights import Weights

if TYPE_CHECKING:
    from diffusers import AutoencoderTiny


def load_tiny_vae(vae: VaeFile, device: torch.device, dtype: torch.dtype) -> AutoencoderTiny:
    """Of a diffusers folder, of a file of both halves, or of the decoder's file. It decodes and does not encode.

    It takes latents [b, channels, h, w] as the UNet has them, divided by its ``config.scaling_factor``, which is 1. Raises
    InputError.
    """
    key = "preview.tiny_vae"
    files = part_files(vae.path, key) if vae.path.is_dir() else [vae.path]
    module = build_tiny_vae(f"{key}: {vae.path}", vae.config)
    with Weights(files, key) as weights:
        names = {name: name for name in weights.tensors if not name.startswith("encoder.")}
        fill(find_part("decoder", module, weights, _sources, dtype, names=names), device, lambda count: None)
    return module


def _sources(name: str) -> Iterator[Source]:
    """diffusers' name, or that of the decoder's own file: it counts from 1, behind the clamp that diffusers has elsewhere."""
    yield Source(name)
    if part := re.fullmatch(r"decoder\.layers\.(\d+)\.(.+)", name):
        yield Source(f"{int(part[1]) + 1}.{part[2]}")
