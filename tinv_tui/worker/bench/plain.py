"""The job ``bench-plain``: the loop that trainers are usually written as, to compare with.

Pictures are opened, scaled and encoded at every step, prompts tokenised at every step; the parameter is the whole token
table, whose other rows are put back after the update; the optimiser's moments are of the whole table.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from tinv_tui.models.loading import LoadedModel
from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.runs.plan import plan_run
from tinv_tui.training.objective import add_noise, target_of
from tinv_tui.worker.bench.clock import StepClock
from tinv_tui.worker.jobs import Desk
from tinv_tui.worker.setup import choose_device, load


def run(arguments: dict[str, Any], desk: Desk) -> dict[str, Any]:
    """Train ``steps`` counted steps of ``recipe``. Raises InputError; a family with two text encoders has no plain loop."""
    recipe = make_recipe(arguments["recipe"], "bench")
    plan = plan_run(recipe, Path.cwd(), name_is_settled=True)
    device = choose_device()
    desk.progress(0, 1, phase="loading")
    model = load(
        plan.recipe, plan.model, device, lambda done, n: desk.progress(done, n, phase="loading"), operators="stock"
    )
    (encoder,) = model.text_encoders
    clock = StepClock(
        int(arguments["steps"]), device, {"text encoder": encoder, "UNet": model.unet, "VAE": model.vae.encoder}
    )
    model.vae.to(device, model.dtype)
    encoder.to(device)  # its token table too, which is the parameter here
    table = encoder.get_input_embeddings().weight
    rows = table.shape[0]
    placeholder = rows - 1  # whose row it was does not matter to the clock
    table.requires_grad_(True)
    original = table.detach().clone()
    optimizer = torch.optim.AdamW([table], lr=5e-4)
    draw = torch.Generator(device).manual_seed(recipe.training.seed)
    files = [picture.path for picture in plan.pictures]
    for step in range(clock.total):
        chosen = [
            files[(step * recipe.training.batch_size + n) % len(files)] for n in range(recipe.training.batch_size)
        ]
        loss = _loss(model, plan.recipe, chosen, placeholder, draw)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        others = torch.ones(rows, dtype=torch.bool)
        others[placeholder] = False
        with torch.no_grad():
            table[others] = original[others]
        loss.item()
        clock.stepped()
        clock.tell(partial(desk.progress, phase="training"))
    return clock.result()


def _loss(model: LoadedModel, recipe: Recipe, files: list[Path], placeholder: int, draw: torch.Generator) -> Tensor:
    size, device = (recipe.dataset.width, recipe.dataset.height), model.device
    pixels = torch.stack([_pixels(file, size) for file in files]).to(device, model.dtype)
    ids = torch.tensor([model.tokenizer.chunks("a photo of a thing", "thing", 1)[0].ids for _ in files], device=device)
    ids[:, 5] = placeholder
    with torch.no_grad():
        latents = model.vae.encode(pixels).latent_dist.sample(draw) * model.vae.config.scaling_factor
    latents = latents.float()
    noise = torch.randn(latents.shape, generator=draw, device=device)
    timesteps = torch.randint(model.timesteps, (len(files),), generator=draw, device=device)
    noisy = add_noise(latents, noise, model.alphas_cumprod, timesteps)
    context = model.text_encoders[0](ids).last_hidden_state
    predicted = model.unet(noisy.to(model.dtype), timesteps, context.to(model.dtype), return_dict=False)[0]
    return F.mse_loss(
        predicted.float(), target_of(model.prediction_type, latents, noise, model.alphas_cumprod, timesteps)
    )


def _pixels(file: Path, size: tuple[int, int]) -> Tensor:
    """[3, h, w] from -1 to 1."""
    with Image.open(file) as picture:
        scaled = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(scaled, dtype=np.float32) / 127.5 - 1).permute(2, 0, 1)
