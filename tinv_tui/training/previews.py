"""Draws previews with the modules that are being trained, at a fixed seed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tinv_tui.models.loading import LoadedModel
from tinv_tui.models.tokenizer import Chunk
from tinv_tui.sections import PreviewSection
from tinv_tui.training.conditioning import predict, told_sizes
from tinv_tui.training.draws import Purpose, normal
from tinv_tui.training.memory_plan import with_what_is_spare
from tinv_tui.training.samplers import scheduler_for
from tinv_tui.training.tiling import within_memory
from tinv_tui.training.vectors import SplicingEncoder, pack_prompts


class Prompts(Protocol):
    """What tokenises a prompt, its embeddings in it."""

    def chunks(self, text: str) -> tuple[Chunk, ...]: ...


class Interrupted(Exception):
    """The preview was given up because a command came in."""


@torch.no_grad()
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
    """One picture of ``size`` (width, height) for a prompt. Touches no randomness but its own. Raises Interrupted.

    Where there is no memory to decode it whole, that is done in tiles.
    """
    scheduler = scheduler_for(settings.sampler, model.scheduler_config)
    scheduler.set_timesteps(settings.steps, device=model.device)
    wanted = [prompts.chunks(settings.negative), prompts.chunks(text)]
    ids, slots = pack_prompts(wanted, prompts.chunks("")[0], model.pads, model.device)
    told = encoder.encode(ids, slots, rows)
    if model.base.zero_for_empty and not settings.negative.strip():
        for tensor in (told.context, told.pooled):
            if tensor is not None:
                tensor[0] = 0
    sizes = torch.tensor([told_sizes(size, (0, 0), size)] * 2, dtype=torch.float32, device=model.device)
    factor = model.base.latent_factor
    shape = (model.base.latent_channels, size[1] // factor, size[0] // factor)
    latents = (
        torch.from_numpy(normal(seed, Purpose.PREVIEW, 0, range(1), shape)).to(model.device)
        * scheduler.init_noise_sigma
    )
    extra = torch.Generator("cpu").manual_seed(seed)
    options = {"generator": extra} if "generator" in inspect.signature(scheduler.step).parameters else {}
    for timestep in scheduler.timesteps:
        if interrupted():
            raise Interrupted
        doubled = scheduler.scale_model_input(torch.cat([latents, latents]), timestep)
        without, with_prompt = predict(model, doubled, timestep, told, sizes).float().chunk(2)
        guided = without + settings.cfg * (with_prompt - without)
        latents = scheduler.step(guided, timestep, latents, return_dict=False, **options)[0]
    decode = partial(with_what_is_spare, partial(model.decode, latents))
    pixels, _ = within_memory(model.vae, max(size), decode)
    array = ((pixels[0] + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(np.ascontiguousarray(array))
