"""Pictures in latent space, held on the device, drawn from at each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from tinv_tui.atomic import write_atomic
from tinv_tui.training.transfer import to_device


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
    """What ``told_sizes`` says of each picture, [n, 6]. The middle is kept, so that it holds for both sides."""


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
