"""Draws previews with the modules that are being trained, at a fixed seed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tinv_tui.models.loading import LoadedModel
from tinv_tui.models.tokenizer import Chunk
from tinv_tui.sections import PreviewSection
from tinv_tui.training.conditioning import Conditioning, predict, told_sizes
from tinv_tui.training.draws import Purpose, normal
from tinv_tui.training.memory import is_out_of_memory, with_what_is_spare
from tinv_tui.training.samplers import scheduler_for
from tinv_tui.training.tiling import within_memory
from tinv_tui.training.vectors import SplicingEncoder, pack_prompts


class Prompts(Protocol):
    """What tokenises a prompt, its embeddings in it."""

    def chunks(self, text: str) -> tuple[Chunk, ...]: ...


class Interrupted(Exception):
    """The preview was given up because a command came in."""


@dataclass
class PreviewLimits:
    """What previews do without where memory is short; found out once, and kept to."""

    together: int = 4
    """Prompts that are drawn at once, at most."""
    tiled: Callable[[], None] = lambda: None
    """Called when a picture was decoded in tiles."""


def draw_preview(
    model: LoadedModel,
    encoder: SplicingEncoder,
    prompts: Prompts,
    rows: Tensor,
    text: str,
    settings: PreviewSection,
    size: tuple[int, int],
    seed: int,
    interrupted: Callable[[], bool] = lambda: False,
) -> Image.Image:
    """One picture of ``size`` (width, height) for a prompt. Touches no randomness but its own. Raises Interrupted."""
    return next(draw_previews(model, encoder, prompts, rows, [text], settings, size, seed, interrupted))


@torch.no_grad()
def draw_previews(
    model: LoadedModel,
    encoder: SplicingEncoder,
    prompts: Prompts,
    rows: Tensor,
    texts: Sequence[str],
    settings: PreviewSection,
    size: tuple[int, int],
    seed: int,
    interrupted: Callable[[], bool] = lambda: False,
    limits: PreviewLimits | None = None,
) -> Iterator[Image.Image]:
    """A picture for each prompt, in their order, several drawn at once where they fit into memory.

    Each is what it is when drawn alone, but for rounding: it has the noise of the seed for itself, and is drawn beside
    prompts of its own length only, since a model hears the blank chunks that would fill it up. Raises Interrupted.
    """
    limits, waiting = limits or PreviewLimits(), list(texts)
    while waiting:
        batch = _of_one_length(prompts, settings.negative, waiting[: limits.together])
        draw = partial(_draw_latents, model, encoder, prompts, rows, batch, settings, size, seed, interrupted)
        try:
            latents = draw() if len(batch) > 1 else with_what_is_spare(draw)
        except (RuntimeError, MemoryError) as error:
            if len(batch) == 1 or not is_out_of_memory(error):
                raise
            limits.together = 1  # which costs less than what is held to make steps fast
            continue
        del waiting[: len(batch)]
        with ExitStack() as decoder:
            with_what_is_spare(lambda: decoder.enter_context(model.decoder_there()))
            for one in latents.split(1):
                yield _decode(model, one, max(size), limits)


def _of_one_length(prompts: Prompts, negative: str, texts: Sequence[str]) -> list[str]:
    """The first of them that fill as many chunks, beside the negative prompt, as the very first."""
    shortest = len(prompts.chunks(negative))
    lengths = [max(shortest, len(prompts.chunks(text))) for text in texts]
    return [text for text, _ in takewhile(lambda pair: pair[1] == lengths[0], zip(texts, lengths, strict=True))]


def _draw_latents(
    model: LoadedModel,
    encoder: SplicingEncoder,
    prompts: Prompts,
    rows: Tensor,
    texts: Sequence[str],
    settings: PreviewSection,
    size: tuple[int, int],
    seed: int,
    interrupted: Callable[[], bool],
) -> Tensor:
    """[prompts, channels, h, w], as the UNet has them. Raises Interrupted."""
    scheduler = scheduler_for(settings.sampler, model.scheduler_config)
    scheduler.set_timesteps(settings.steps, device=model.device)
    count = len(texts)
    wanted = [prompts.chunks(text) for text in (settings.negative, *texts)]
    told = encoder.encode(*pack_prompts(wanted, prompts.chunks("")[0], model), rows)
    if model.base.zero_for_empty and not settings.negative.strip():
        for tensor in (told.context, told.pooled):
            if tensor is not None:
                tensor[0] = 0
    told = Conditioning(_beside_each(told.context), None if told.pooled is None else _beside_each(told.pooled))
    sizes = torch.tensor([told_sizes(size, (0, 0), size)] * 2 * count, dtype=torch.float32, device=model.device)
    factor = model.base.latent_factor
    shape = (model.base.latent_channels, size[1] // factor, size[0] // factor)
    noise = torch.from_numpy(normal(seed, Purpose.PREVIEW, 0, range(1), shape)).to(model.device)
    latents: Tensor = noise.repeat(count, 1, 1, 1) * scheduler.init_noise_sigma
    options = {}
    if "generator" in inspect.signature(scheduler.step).parameters:
        options = {"generator": [torch.Generator("cpu").manual_seed(seed) for _ in texts]}
    for timestep in scheduler.timesteps:
        if interrupted():
            raise Interrupted
        doubled = scheduler.scale_model_input(torch.cat([latents, latents]), timestep)
        without, with_prompt = predict(model, doubled, timestep, told, sizes).float().chunk(2)
        guided = without + settings.cfg * (with_prompt - without)
        latents = scheduler.step(guided, timestep, latents, return_dict=False, **options)[0]
    return latents


def _beside_each(told: Tensor) -> Tensor:
    """What is told of the negative prompt and of n others, [1 + n, …], as [2n, …]: that of the negative n times first."""
    return torch.cat([told[:1].expand(len(told) - 1, *told.shape[1:]), told[1:]])


def _decode(model: LoadedModel, latents: Tensor, longest: int, limits: PreviewLimits) -> Image.Image:
    """The picture of latents [1, channels, h, w]; ``longest`` is its longer side in pixels."""
    decode = partial(with_what_is_spare, partial(model.decode, latents))
    pixels, tile = within_memory(model.vae, longest, decode)
    if tile:
        limits.tiled()
    array = ((pixels[0] + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(np.ascontiguousarray(array))
