"""The two files in which diffusers keeps an SDXL embedding, one for each text encoder: ``name.bin`` and ``name_2.bin``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tinv_tui.embeddings.embedding import SDXL_TENSORS, Embedding
from tinv_tui.errors import InputError

_SECOND = "_2"
_WIDTHS = (768, 1280)


def second_of(path: Path) -> Path:
    """What the second file of an embedding is called whose first is ``path``."""
    return path.with_name(f"{path.stem}{_SECOND}{path.suffix}")


def joined(path: Path, held: Embedding, read: Callable[[Path], Embedding]) -> Embedding:
    """The whole embedding where ``held``, which is what ``path`` holds, is a half of one; else what it is.

    ``read`` tells what a file holds by itself. Raises InputError where the other half is wanted, and is not there.
    """
    width = _width(held)
    if width not in _WIDTHS:
        return held
    other = second_of(path) if width == _WIDTHS[0] else _first_of(path)
    halves = (held, _read_half(other, read)) if width == _WIDTHS[0] else (_read_half(other, read), held)
    first, second = halves
    if (
        first is not None
        and second is not None
        and tuple(map(_width, halves)) == _WIDTHS
        and first.count == second.count
    ):
        vectors = {name: half.vectors["emb_params"] for name, half in zip(SDXL_TENSORS, (first, second), strict=True)}
        return replace(first, vectors=vectors, family="SDXL", format=f"{first.format} (SDXL)")
    if held.details.get("family") != "SDXL":
        return held
    beside = f"{other.name} is not beside it, or not its other half" if other is not None else "it is called otherwise"
    raise InputError(
        "embedding-half",
        f"{path} is one half of an SDXL embedding, of one of its text encoders; {beside}",
        "Put both files that diffusers has for it side by side: name and name_2.",
    )


def is_second(path: Path, held: Embedding) -> bool:
    """Whether a file is the second of a pair, ``held`` being all that the pair holds."""
    return held.format.startswith("diffusers") and "clip_g" in held.vectors and _first_of(path) is not None


def _first_of(path: Path) -> Path | None:
    if not path.stem.endswith(_SECOND):
        return None
    return path.with_name(f"{path.stem.removesuffix(_SECOND)}{path.suffix}")


def _read_half(path: Path | None, read: Callable[[Path], Embedding]) -> Embedding | None:
    if path is None or not path.is_file():
        return None
    try:
        return read(path)
    except (InputError, OSError):
        return None


def _width(half: Embedding | None) -> int:
    """0 for what is no half of a pair."""
    return int(half.vectors["emb_params"].shape[1]) if half is not None and set(half.vectors) == {"emb_params"} else 0
