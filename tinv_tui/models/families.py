"""The families of base models, and all in which they differ, as one table.

A further family is one entry here, its published configurations in ``configs/``, for its single files the prefixes in
``layout``, and for a text encoder of a new kind its loading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TextEncoder:
    """One text encoder of a family."""

    tensor: str
    """Name of its vectors in an embedding file."""
    width: int
    """Of one vector in the published models; a toy of the family may be narrower."""
    folder: str
    """Its folder in a diffusers model."""
    tokenizer: str
    """The folder of its tokenizer."""
    hidden: Literal["final", "penultimate"]
    """The hidden layer that the UNet reads at clip skip 1: the last one behind the final layer norm, or the last but one
    as it is."""
    pooled: bool = False
    """Whether its pooled and projected output conditions the UNet too."""


@dataclass(frozen=True)
class Family:
    """What the models of one family have in common."""

    name: str
    label: str
    pipeline: str
    """The class that a diffusers folder names."""
    encoders: tuple[TextEncoder, ...]
    """In the order in which their outputs are joined for the UNet."""
    native_size: int
    """Pixels a side that the published models were trained on; SD 2.x has smaller ones too."""
    parameters: float
    """Of the published model's UNet, text encoders and VAE."""
    unet_share: float
    """How much of that is the UNet."""
    kept_bytes: float
    """What the published UNet keeps of one picture for the way back, at two bytes a number, for each 512 x 512 pixels."""
    size_conditioning: bool = False
    """Whether the UNet is told of the picture's own size, its crop and its size in training."""
    zero_for_empty: bool = False
    """Whether an empty negative prompt is zeros instead of an encoded empty text."""
    tiny_vae: str = ""
    """Hub id of the small VAE that draws previews of this family in little time and memory."""

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of the tensors of an embedding file, one for each text encoder."""
        return tuple(encoder.tensor for encoder in self.encoders)


SD1 = Family(
    "SD1",
    "SD 1.x",
    "StableDiffusionPipeline",
    (TextEncoder("emb_params", 768, "text_encoder", "tokenizer", "final"),),
    native_size=512,
    parameters=1.066e9,
    unet_share=0.806,
    kept_bytes=0.71 * 2**30,
    tiny_vae="madebyollin/taesd",
)
SD2 = Family(
    "SD2",
    "SD 2.x",
    "StableDiffusionPipeline",
    # Published folders hold OpenCLIP's encoder without its last layer, so that the final norm stands behind layer 23.
    (TextEncoder("emb_params", 1024, "text_encoder", "tokenizer", "final"),),
    native_size=768,
    parameters=1.290e9,
    unet_share=0.671,
    kept_bytes=0.71 * 2**30,
    tiny_vae="madebyollin/taesd",
)
SDXL = Family(
    "SDXL",
    "SDXL",
    "StableDiffusionXLPipeline",
    (
        TextEncoder("clip_l", 768, "text_encoder", "tokenizer", "penultimate"),
        TextEncoder("clip_g", 1280, "text_encoder_2", "tokenizer_2", "penultimate", pooled=True),
    ),
    native_size=1024,
    parameters=3.469e9,
    unet_share=0.740,
    kept_bytes=1.21 * 2**30,
    size_conditioning=True,
    zero_for_empty=True,
    tiny_vae="madebyollin/taesdxl",
)
FAMILIES = (SD1, SD2, SDXL)
