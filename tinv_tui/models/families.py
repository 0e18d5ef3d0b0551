"""The families of base models, and all in which they differ, as one table.

A further family is one entry here, its published configurations in ``configs/``, for its single files the prefixes in
``layout``, and for a text encoder of a new kind its loading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_TOKENS = 49_408
"""Of CLIP's vocabulary, which all read by."""


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
class StepBytes:
    """What one step of a family's published models holds at most beside weights, for each picture in it.

    Of the UNet for each 512 x 512 pixels at two bytes a number: what it keeps for the way back grows with the pixels, its
    attention included. tests/unit/test_step_bytes.py counts them.
    """

    stock: float
    """With torch's own operators."""
    frozen: float
    """With the frozen operators, which compute again what they need not keep."""
    checkpointed: float
    """With these and gradient checkpointing: what goes into the blocks, and all of one block."""
    text: float
    """Of the text encoders, which compute in fp32: for each 77 tokens."""


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
    unet_parameters: int
    """Of the published models, as the two below."""
    text_parameters: int
    """Of all text encoders."""
    vae_parameters: int
    step_bytes: StepBytes
    size_conditioning: bool = False
    """Whether the UNet is told of the picture's own size, its crop and its size in training."""
    zero_for_empty: bool = False
    """Whether an empty negative prompt is zeros instead of an encoded empty text."""
    tiny_vae: str = ""
    """Hub id of the small VAE that draws previews of this family in little time and memory."""

    @property
    def parameters(self) -> int:
        """Of all parts of the published model."""
        return self.unet_parameters + self.text_parameters + self.vae_parameters

    @property
    def table_parameters(self) -> int:
        """Of those of the text encoders, the rows of their tokens."""
        return _TOKENS * sum(encoder.width for encoder in self.encoders)

    @property
    def unet_share(self) -> float:
        """How much of the parameters is the UNet."""
        return self.unet_parameters / self.parameters

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
    unet_parameters=859_520_964,
    text_parameters=123_060_480,
    vae_parameters=83_653_863,
    step_bytes=StepBytes(stock=0.712 * 2**30, frozen=0.484 * 2**30, checkpointed=0.169 * 2**30, text=0.040 * 2**30),
    tiny_vae="madebyollin/taesd",
)
SD2 = Family(
    "SD2",
    "SD 2.x",
    "StableDiffusionPipeline",
    # Published folders hold OpenCLIP's encoder without its last layer, so that the final norm stands behind layer 23.
    (TextEncoder("emb_params", 1024, "text_encoder", "tokenizer", "final"),),
    native_size=768,
    unet_parameters=865_910_724,
    text_parameters=340_387_840,
    vae_parameters=83_653_863,
    step_bytes=StepBytes(stock=0.673 * 2**30, frozen=0.484 * 2**30, checkpointed=0.169 * 2**30, text=0.069 * 2**30),
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
    unet_parameters=2_567_463_684,
    text_parameters=817_720_320,
    vae_parameters=83_653_863,
    step_bytes=StepBytes(stock=1.25 * 2**30, frozen=0.935 * 2**30, checkpointed=0.139 * 2**30, text=0.158 * 2**30),
    size_conditioning=True,
    zero_for_empty=True,
    tiny_vae="madebyollin/taesdxl",
)
FAMILIES = (SD1, SD2, SDXL)
