"""What the UNet is told beside the noisy latents, and the one place where that differs between families."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tinv_tui.datasets.buckets import Size
from tinv_tui.models.loading import LoadedModel


@dataclass(frozen=True)
class Conditioning:
    """Prompts as the UNet reads them."""

    context: Tensor
    """[prompts, positions, width]: the hidden states of all text encoders, joined on their last axis."""
    pooled: Tensor | None
    """[prompts, width]: one projected vector for the whole prompt; None for families whose UNet reads none."""


def told_sizes(own: Size, corner: tuple[int, int], target: Size) -> tuple[int, ...]:
    """The six numbers that SDXL is told of a picture (Podell 2023, §2.2), in the order its UNet was trained with.

    Its own height and width, top and left of the crop in the scaled picture, height and width of what is left.
    ``corner`` is (left, top); pixels.
    """
    return own[1], own[0], corner[1], corner[0], target[1], target[0]


def predict(model: LoadedModel, noisy: Tensor, timesteps: Tensor, told: Conditioning, sizes: Tensor) -> Tensor:
    """The UNet's answer to latents [b, c, h, w], in its own number format.

    ``sizes`` [b, 6] are those of :func:`told_sizes`, which only families with size conditioning read. They stay fp32: in
    bf16 a side of 1,021 pixels would be one of 1,020.
    """
    more = {"text_embeds": told.pooled, "time_ids": sizes} if model.base.family.size_conditioning else None
    context = told.context.to(model.dtype)
    answer: Tensor = model.unet(noisy.to(model.dtype), timesteps, context, added_cond_kwargs=more, return_dict=False)[0]
    return answer
