"""The diffusion objective: what is added to a latent, and what the UNet must answer (Ho 2020; Salimans & Ho 2022)."""

from __future__ import annotations

from torch import Tensor


def add_noise(latents: Tensor, noise: Tensor, alphas_cumprod: Tensor, timesteps: Tensor) -> Tensor:
    """The latents at their timesteps: √ᾱ·x + √(1-ᾱ)·ε; all [b, c, h, w] but ``timesteps`` [b]."""
    signal, disturbance = _scales(alphas_cumprod, timesteps)
    return signal * latents + disturbance * noise


def target_of(
    prediction_type: str, latents: Tensor, noise: Tensor, alphas_cumprod: Tensor, timesteps: Tensor
) -> Tensor:
    """The noise itself (epsilon), or √ᾱ·ε - √(1-ᾱ)·x (v_prediction)."""
    if prediction_type == "epsilon":
        return noise
    signal, disturbance = _scales(alphas_cumprod, timesteps)
    return signal * noise - disturbance * latents


def weighted_loss(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean squared error in fp32, weighted by cell, averaged over each picture and then the batch."""
    return ((predicted.float() - target.float()) ** 2 * weight).mean()


def _scales(alphas_cumprod: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
    alpha = alphas_cumprod[timesteps].view(-1, 1, 1, 1)
    return alpha.sqrt(), (1 - alpha).sqrt()
