"""A VAE's work in tiles, for when there is no memory for the whole picture at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from tinv_tui.training.memory import is_out_of_memory, release_memory

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

TILES = (512, 256, 128)
"""Sides in pixels, tried from the largest that cuts the picture. They overlap by a quarter, in whole cells of the latents."""

_Found = TypeVar("_Found")


def within_memory(vae: AutoencoderKL, longest: int, compute: Callable[[], _Found]) -> tuple[_Found, int]:
    """What ``compute`` finds with the VAE, and the side of the tiles that it took; 0 for the whole picture at once.

    ``longest`` is the picture's longer side in pixels. Raises what ``compute`` does, for lack of memory where the smallest
    tiles do not do either.
    """
    tiles = [0, *(side for side in TILES if side < longest)]
    for tile in tiles:
        try:
            with _tiled(vae, tile):
                return compute(), tile
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or tile == tiles[-1]:
                raise
        release_memory()  # only here: the error held on to all that was computed so far
    raise AssertionError("the last try returns or raises")


@contextmanager
def _tiled(vae: AutoencoderKL, side: int) -> Iterator[None]:
    """The library's own tiles are as large as the pictures it was trained on, which are those that did not fit."""
    if not side:
        yield
        return
    names = ("use_tiling", "tile_sample_min_size", "tile_latent_min_size", "tile_overlap_factor")
    before = {name: getattr(vae, name) for name in names}
    cells = side // 2 ** (len(vae.config.block_out_channels) - 1)
    for name, value in zip(names, (True, side, cells, 0.25), strict=True):
        setattr(vae, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(vae, name, value)
