"""Encodes the pictures of a run: each once, read ahead in threads, taken from the cache where an earlier run has been."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tinv_tui.datasets.buckets import Size
from tinv_tui.datasets.decoding import TrainingPicture, count_pixels, load_for_training
from tinv_tui.models.file_facts import stamp_of
from tinv_tui.training.conditioning import told_sizes
from tinv_tui.training.draws import Purpose, normal
from tinv_tui.training.latent_cache import EncodedPicture, LatentCache, PictureView
from tinv_tui.training.latents import Bucket, LatentStore
from tinv_tui.training.reading_ahead import Allowance, read_ahead
from tinv_tui.training.tiling import within_memory

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

_PIXELS_AT_ONCE = 48_000_000
"""Of whole pictures in memory: four photos of 12 megapixels, or one of any size."""


class PictureUnreadable(Exception):
    """A picture has gone, or its pixels cannot be read."""


def encode_pictures(
    files: Sequence[Path],
    groups: Mapping[Size, list[int]],
    vae: AutoencoderKL,
    *,
    crop: bool,
    flip: bool,
    alpha_as_weight: bool,
    sampling: str,
    seed: int,
    progress: Callable[[int], None],
    cache: LatentCache | None = None,
    tiled: Callable[[Path], None] = lambda path: None,
) -> LatentStore:
    """Encode every picture, one at a time on every device.

    A picture's latents so depend on itself alone, to the bit: libraries compute a batch in another order than a single
    picture, and then another picture in the dataset would change the latents of all, and what the cache keeps of one run
    would not be what the next computes.

    ``sampling`` "deterministic" drops the deviation, "once" draws one sample for the whole run, "random" keeps the
    deviation to draw from at each step. ``progress`` gets the number done, and ends it by raising. ``tiled`` is told of
    each picture that there was only memory for in tiles. Raises PictureUnreadable.
    """
    device, scale = vae.device, float(vae.config.scaling_factor)
    ordered = [(picture, PictureView(size, crop, flip)) for size, members in groups.items() for picture in members]
    encoded = dict[int, _Held]()
    read = partial(_read, files, cache, Allowance(_PIXELS_AT_ONCE))
    with closing(read_ahead(ordered, read)) as pictures:
        for (picture, view), found in zip(ordered, pictures, strict=True):
            if isinstance(found, EncodedPicture):
                made = found
                assert cache is not None
                cache.taken += 1
            else:
                made, tile = within_memory(vae, max(view.size), partial(_encode, vae, found.loaded, view))
                if tile:
                    tiled(files[picture])
                elif cache is not None and found.key is not None:
                    cache.keep(found.key, made)
            encoded[picture] = _hold(made, device, scale, picture, alpha_as_weight, sampling, seed)
            progress(len(encoded))
    if cache is not None:
        cache.prune()
    buckets = list[Bucket]()
    for members in groups.values():
        held = [encoded[picture] for picture in members]
        deviations = [one.deviation for one in held if one.deviation is not None]
        buckets.append(
            Bucket(
                tuple(members),
                torch.stack([one.mean for one in held]),
                torch.stack(deviations) if deviations else None,
                torch.stack([one.weight for one in held]),
                torch.tensor([one.told for one in held], dtype=torch.float32, device=device),
            )
        )
    return LatentStore(tuple(buckets))


@dataclass(frozen=True)
class _Held:
    """A picture as the store holds it; tensors [sides, …] on the device."""

    mean: Tensor
    deviation: Tensor | None
    weight: Tensor
    told: tuple[int, ...]


@dataclass(frozen=True)
class _Pixels:
    """A picture that has to be encoded, and the name that the cache will know it by, if it is to."""

    loaded: TrainingPicture
    key: str | None


def _read(
    files: Sequence[Path], cache: LatentCache | None, allowance: Allowance, wanted: tuple[int, PictureView]
) -> EncodedPicture | _Pixels:
    """What the cache has of a picture, or else its pixels. Raises PictureUnreadable."""
    path, view = files[wanted[0]], wanted[1]
    try:
        key, before = None, stamp_of([path])
        if cache is not None:
            with path.open("rb") as file:
                key = cache.key(hashlib.file_digest(file, "sha256").hexdigest(), view)
            found = cache.find(key, view)
            if found is not None:
                return found
        with allowance.hold(count_pixels(path)):
            loaded = load_for_training(path, view.size, crop=view.crop)
        return _Pixels(loaded, key if stamp_of([path]) == before else None)
    except (OSError, ValueError, SyntaxError) as error:  # a picture whose header was good may still be broken
        raise PictureUnreadable(f"{path}: {error}") from None


def _encode(vae: AutoencoderKL, loaded: TrainingPicture, view: PictureView) -> EncodedPicture:
    means, deviations, weights = list[Tensor](), list[Tensor](), list[Tensor]()
    for side in range(2 if view.flip else 1):
        pixels = loaded.pixels[:, :, ::-1] if side else loaded.pixels
        opacity = loaded.opacity[:, ::-1] if side else loaded.opacity
        with torch.no_grad():
            image = torch.from_numpy(np.ascontiguousarray(pixels))[None].to(vae.device, vae.dtype)
            posterior = vae.encode(image).latent_dist
        means.append(posterior.mean[0].float())
        deviations.append(posterior.std[0].float())
        weights.append(_cell_weights(opacity, tuple(means[0].shape[1:])))
    told = told_sizes(loaded.own_size, loaded.corner, view.size)
    return EncodedPicture(torch.stack(means), torch.stack(deviations), torch.stack(weights), told)


def _hold(
    encoded: EncodedPicture,
    device: torch.device,
    scale: float,
    picture: int,
    alpha_as_weight: bool,
    sampling: str,
    seed: int,
) -> _Held:
    mean, deviation = encoded.mean.to(device) * scale, encoded.deviation.to(device) * scale
    if sampling == "once":
        sides = mean.shape[0]
        drawn = normal(seed, Purpose.LATENT, 0, range(2 * picture, 2 * picture + sides), tuple(mean.shape[1:]))
        mean = mean + deviation * torch.from_numpy(drawn).to(device)
    weight = encoded.weight if alpha_as_weight else torch.ones_like(encoded.weight)
    return _Held(mean, deviation if sampling == "random" else None, weight.to(device), encoded.told)


def _cell_weights(opacity: np.ndarray, cells: tuple[int, ...]) -> Tensor:
    """[1, h, w] with mean 1; opaque, evenly transparent and fully clear pictures weigh 1 everywhere."""
    if float(np.ptp(opacity)) == 0:
        return torch.ones(1, *cells)
    small = F.interpolate(torch.from_numpy(np.ascontiguousarray(opacity))[None, None], size=cells, mode="area")[0]
    mean = small.mean()
    return small / mean if float(mean) > 0 else torch.ones(1, *cells)
