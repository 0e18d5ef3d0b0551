"""Pictures in latent space: encoded once, held on the device, drawn from at each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor

from tinv_tui.atomic import write_atomic
from tinv_tui.datasets.buckets import Size
from tinv_tui.datasets.pictures import load_for_training
from tinv_tui.training.conditioning import told_sizes
from tinv_tui.training.draws import Purpose, normal
from tinv_tui.training.transfer import to_device

if TYPE_CHECKING:
    from diffusers import AutoencoderKL


class PictureUnreadable(Exception):
    """A picture has gone, or its pixels cannot be read."""


@dataclass(frozen=True)
class Bucket:
    """The pictures of one size. Tensors are fp32 on the device; side 1 is the mirror image when flips are on."""

    pictures: tuple[int, ...]
    """Positions in the dataset."""
    mean: Tensor
    """[n, sides, channels, h, w], scaled for the UNet."""
    deviation: Tensor | None
    """As ``mean``; None where no step draws from it."""
    weight: Tensor
    """Loss weight of each latent cell, [n, sides, 1, h, w]; its mean over a picture is 1."""
    sizes: Tensor
    """What :func:`told_sizes` says of each picture, [n, 6]. The middle is kept, so that it holds for both sides."""


@dataclass(frozen=True)
class LatentStore:
    """All pictures of a run, by size."""

    buckets: tuple[Bucket, ...]

    def take(
        self, bucket: int, positions: Sequence[int], sides: np.ndarray, noise: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Latents, loss weights and sizes [b, …] of some pictures; ``noise`` samples the posterior, None takes its mean."""
        chosen = self.buckets[bucket]
        at = to_device(np.asarray(positions, dtype=np.int64), chosen.mean.device)
        side = to_device(sides, chosen.mean.device)
        latents = chosen.mean[at, side]
        if noise is not None:
            assert chosen.deviation is not None
            latents = latents + chosen.deviation[at, side] * noise
        return latents, chosen.weight[at, side], chosen.sizes[at]

    @property
    def size_bytes(self) -> int:
        kept = [t for b in self.buckets for t in (b.mean, b.deviation, b.weight, b.sizes) if t is not None]
        return sum(tensor.nbytes for tensor in kept)

    def save(self, path: Path) -> None:
        """Write to a safetensors file, so that a resumed run sees the very same latents. Raises OSError."""
        tensors = {
            f"{i}.{key}": getattr(bucket, key).contiguous()
            for i, bucket in enumerate(self.buckets)
            for key in ("mean", "deviation", "weight", "sizes")
            if getattr(bucket, key) is not None
        }
        tensors |= {f"{i}.pictures": torch.tensor(bucket.pictures) for i, bucket in enumerate(self.buckets)}
        write_atomic(path, safetensors.torch.save(tensors))

    @staticmethod
    def load(path: Path, device: torch.device) -> LatentStore:
        """Read what :meth:`save` wrote. Raises OSError or safetensors.SafetensorError."""
        tensors = safetensors.torch.load_file(path, device=str(device))
        buckets = list[Bucket]()
        for i in range(sum(key.endswith(".mean") for key in tensors)):
            pictures = tuple(int(p) for p in tensors[f"{i}.pictures"])
            # Runs from before SDXL could be trained kept no sizes; no other family reads them.
            sizes = tensors.get(f"{i}.sizes", torch.zeros(len(pictures), 6, device=device))
            mean, deviation = tensors[f"{i}.mean"], tensors.get(f"{i}.deviation")
            buckets.append(Bucket(pictures, mean, deviation, tensors[f"{i}.weight"], sizes))
        return LatentStore(tuple(buckets))


def encode_pictures(
    files: Sequence[Path],
    groups: dict[Size, list[int]],
    vae: AutoencoderKL,
    *,
    crop: bool,
    flip: bool,
    alpha_as_weight: bool,
    sampling: str,
    seed: int,
    progress: Callable[[int], None],
) -> LatentStore:
    """Encode every picture, one at a time so that the result does not depend on its neighbours.

    ``sampling`` "deterministic" drops the deviation, "once" draws one sample for the whole run, "random" keeps the
    deviation to draw from at each step. ``progress`` gets the number done. Raises PictureUnreadable.
    """
    device, scale = vae.device, float(vae.config.scaling_factor)
    buckets, done = list[Bucket](), 0
    for size, members in groups.items():
        means, deviations, weights = list[Tensor](), list[Tensor](), list[Tensor]()
        sizes = list[tuple[int, ...]]()
        for picture in members:
            try:
                loaded = load_for_training(files[picture], size, crop=crop)
            except (OSError, ValueError, SyntaxError) as error:  # a picture whose header was good may still be broken
                raise PictureUnreadable(f"{files[picture]}: {error}") from None
            pixels, opacity = loaded.pixels, loaded.opacity
            views = [(pixels, opacity), (pixels[:, :, ::-1], opacity[:, ::-1])] if flip else [(pixels, opacity)]
            sides = list[tuple[Tensor, ...]]()
            for side, (seen, alpha) in enumerate(views):
                with torch.no_grad():
                    image = torch.from_numpy(np.ascontiguousarray(seen))[None].to(device, vae.dtype)
                    posterior = vae.encode(image).latent_dist
                mean, deviation = posterior.mean[0].float() * scale, posterior.std[0].float() * scale
                if sampling == "once":
                    drawn = normal(
                        seed, Purpose.LATENT, 0, range(2 * picture + side, 2 * picture + side + 1), tuple(mean.shape)
                    )
                    mean = mean + deviation * torch.from_numpy(drawn[0]).to(device)
                weight = _cell_weights(alpha, tuple(mean.shape[1:]), alpha_as_weight).to(device)
                sides.append((mean, weight, deviation) if sampling == "random" else (mean, weight))
            for held, parts in zip((means, weights, deviations), zip(*sides, strict=True), strict=False):
                held.append(torch.stack(parts))
            sizes.append(told_sizes(loaded.own_size, loaded.corner, size))
            done += 1
            progress(done)
        kept = torch.stack(deviations) if deviations else None
        told = torch.tensor(sizes, dtype=torch.float32, device=device)
        buckets.append(Bucket(tuple(members), torch.stack(means), kept, torch.stack(weights), told))
    return LatentStore(tuple(buckets))


def _cell_weights(opacity: np.ndarray, cells: tuple[int, ...], wanted: bool) -> Tensor:
    """[1, h, w] with mean 1; opaque, evenly transparent and fully clear pictures weigh 1 everywhere."""
    if not wanted or float(np.ptp(opacity)) == 0:
        return torch.ones(1, *cells)
    small = F.interpolate(torch.from_numpy(np.ascontiguousarray(opacity))[None, None], size=cells, mode="area")[0]
    mean = small.mean()
    return small / mean if float(mean) > 0 else torch.ones(1, *cells)
