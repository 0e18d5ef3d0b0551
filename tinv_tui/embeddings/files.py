"""Embedding files, in and out: what the rest of the program uses. Needs no torch: vectors are NumPy arrays.

Who only looks for a file, or asks for its step, does without NumPy, which is imported with the first vectors.

Our own file is a ``.safetensors`` with one tensor ``emb_params`` [vectors, width], fp32, which A1111, Forge, ComfyUI and
diffusers load; SDXL has ``clip_l`` and ``clip_g`` instead. Where it came from stands in the header.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tinv_tui.embeddings.embedding import Embedding, Vectors
from tinv_tui.embeddings.formats import OWN, Format

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Embedding", "Vectors", "read_embedding", "read_step", "write_embedding"]


def read_embedding(path: Path, term: str = "") -> Embedding:
    """As :func:`tinv_tui.embeddings.reading.read_embedding` does. Raises InputError."""
    from tinv_tui.embeddings import reading

    return reading.read_embedding(path, term)


def read_step(path: Path) -> int | None:
    """As :func:`tinv_tui.embeddings.reading.read_step` does. Raises InputError."""
    from tinv_tui.embeddings import reading

    return reading.read_step(path)


def write_embedding(
    path: Path, embedding: Embedding, form: Format = OWN, *, half: bool = False, picture: Image.Image | None = None
) -> list[Path]:
    """As :func:`tinv_tui.embeddings.writing.write_embedding` does. Raises InputError, OSError."""
    from tinv_tui.embeddings import writing

    return writing.write_embedding(path, embedding, form, half=half, picture=picture)
