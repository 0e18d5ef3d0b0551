"""Pictures to be encoded by the bundled model's VAE, and the cache of what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.worker.helpers import CPU, recipe
from tinv_tui import paths
from tinv_tui.models.identify import identify
from tinv_tui.training.encoding import encode_pictures
from tinv_tui.training.latent_cache import LatentCache, PictureView
from tinv_tui.training.latents import LatentStore
from tinv_tui.worker.setup import load

VIEW = PictureView((64, 64), crop=True, flip=False)
PICTURES = 4


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(recipe(), identify("bundled", tmp_path_factory.mktemp("model")), CPU).vae


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Pictures of their own colours, the last half transparent."""
    chance = np.random.default_rng(5)
    found = [tmp_path / f"{i}.png" for i in range(PICTURES)]
    for path in found:
        Image.fromarray(chance.integers(0, 255, (80, 70, 3), dtype=np.uint8)).save(path)
    alpha = np.full((80, 70), 255, dtype=np.uint8)
    alpha[:40] = 0
    last = Image.open(found[-1]).convert("RGB")
    last.putalpha(Image.fromarray(alpha))
    last.save(found[-1])
    return found


def folder() -> Path:
    return paths.latent_cache_folder()


def cache_of(vae: Any, limit: int = 2**30) -> LatentCache:
    return LatentCache(folder(), limit, vae)


def encode(files: list[Path], vae: Any, cache: LatentCache | None = None, **changes: Any) -> LatentStore:
    options: dict[str, Any] = {"crop": True, "flip": False, "alpha_as_weight": False, "sampling": "deterministic"}
    options |= {"seed": 7, "progress": lambda done: None, "cache": cache} | changes
    size = options.pop("size", (64, 64))
    return encode_pictures(files, {size: list(range(len(files)))}, vae, **options)


def same(one: LatentStore, other: LatentStore) -> bool:
    def tensors(store: LatentStore) -> Iterator[torch.Tensor | None]:
        for bucket in store.buckets:
            yield from (bucket.mean, bucket.deviation, bucket.weight, bucket.sizes)

    pairs = list(zip(tensors(one), tensors(other), strict=True))
    return all(a is b is None or (a is not None and b is not None and torch.equal(a, b)) for a, b in pairs)


def kept() -> list[Path]:
    return sorted(folder().glob("*.safetensors"))
