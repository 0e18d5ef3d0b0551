"""Trains the VAE on freshly drawn pictures, and encodes the set the UNet learns from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from tinv_tui.models.bundled.build import drawing, parts
from tinv_tui.models.bundled.build.muon import Muon
from tinv_tui.models.bundled.build.progress import fingerprint, load_progress, save_progress

KL_WEIGHT = 3e-3
"""Per latent element. Weaker makes latents finer than the tiny UNet can model; see the reconstruction error beside it."""


def draw_batch(rng: np.random.Generator, size: int) -> tuple[list[drawing.Scene], torch.Tensor]:
    """Scenes and their pictures, [size, 3, 64, 64] in [-1, 1]."""
    scenes = [drawing.draw_scene_parameters(rng) for _ in range(size)]
    pixels = np.stack([drawing.render(scene) for scene in scenes])
    return scenes, torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def train_vae(effort: parts.Effort, work: Path, device: torch.device, say: Callable[[str], None]) -> AutoencoderKL:
    """Train, or take up where the work folder left off; returns the averaged weights with ``scaling_factor`` set."""
    torch.manual_seed(effort.seed)
    vae = AutoencoderKL(**parts.VAE).to(device)
    optimizer = Muon(vae, matrix_rate=0.025, other_rate=3e-3)
    averaged = {k: v.clone() for k, v in vae.state_dict().items()}
    state = {"vae": vae, "optimizer": optimizer}
    done = load_progress(work / "vae.pt", state, averaged, device)
    started, shown = time.monotonic(), 0.0
    for step in range(done + 1, effort.vae_steps + 1):
        _, pictures = draw_batch(np.random.default_rng((effort.seed, 1, step)), effort.vae_batch)
        pictures = pictures.to(device)
        optimizer.set_factor(
            min(1.0, step / 20) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / effort.vae_steps)))
        )
        generator = torch.Generator(device).manual_seed(effort.seed * 1_000_003 + step)
        with torch.autocast(device.type, torch.bfloat16):
            posterior = vae.encode(pictures).latent_dist
            mean, deviation, logvar = posterior.mean.float(), posterior.std.float(), posterior.logvar.float()
            latents = mean + deviation * torch.randn(mean.shape, generator=generator, device=device)
            decoded = vae.decode(latents).sample.float()
        kl = 0.5 * (mean**2 + deviation**2 - 1 - logvar).mean()
        error = F.l1_loss(decoded, pictures)
        loss = error + F.mse_loss(decoded, pictures) + KL_WEIGHT * kl
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for key, value in vae.state_dict().items():
            averaged[key].lerp_(value, 0.02)
        if time.monotonic() - shown > 15 or step == effort.vae_steps:
            shown = time.monotonic()
            say(f"vae {step}/{effort.vae_steps}  L1 {error.item():.4f}  KL {kl.item():.2f}  {shown - started:.0f} s")
            save_progress(work / "vae.pt", state, averaged, step)
    say(f"vae weights {fingerprint(averaged)}")
    vae.load_state_dict(averaged)
    vae.eval().requires_grad_(False)
    _, sample = draw_batch(np.random.default_rng((effort.seed, 2)), 256)
    with torch.no_grad():
        vae.register_to_config(scaling_factor=float(1 / vae.encode(sample.to(device)).latent_dist.sample().std()))
    return vae


def encode_pictures(
    vae: AutoencoderKL, effort: parts.Effort, work: Path, device: torch.device, say: Callable[[str], None]
) -> tuple[list[drawing.Scene], torch.Tensor]:
    """Draw and encode the UNet's pictures: scenes, and one scaled posterior sample of each, fp16 [n, 4, 16, 16]."""
    rng = np.random.default_rng((effort.seed, 3))
    torch.manual_seed(effort.seed)
    kept = work / "latents.pt"
    latents = torch.load(kept, weights_only=True) if kept.exists() else None
    scenes, encoded = list[drawing.Scene](), list[torch.Tensor]()
    while len(scenes) < effort.pictures:
        if latents is not None:
            scenes += [drawing.draw_scene_parameters(rng) for _ in range(256)]
            continue
        batch, pictures = draw_batch(rng, 256)
        with torch.no_grad():
            sample = vae.encode(pictures.to(device)).latent_dist.sample() * vae.config.scaling_factor
        scenes += batch
        encoded.append(sample.half().cpu())
        if len(encoded) % 32 == 0:
            say(f"encoded {len(scenes)}/{effort.pictures} pictures")
    if latents is None:
        latents = torch.cat(encoded)
        torch.save(latents, kept)
    return scenes, latents
