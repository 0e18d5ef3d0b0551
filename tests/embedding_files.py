"""Embeddings to write in any format: random vectors, the same each time, of one text encoder and of two."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from tinv_tui.embeddings.files import Embedding


def rows(vectors: int = 2, width: int = 768) -> NDArray[np.float32]:
    """Other rows for another width, and else the same."""
    return np.random.default_rng(width).standard_normal((vectors, width)).astype(np.float32)


def tensor(vectors: int = 2, width: int = 768) -> torch.Tensor:
    """The same numbers as ``rows``."""
    return torch.from_numpy(rows(vectors, width))


SD1 = Embedding(
    "my-cat", {"emb_params": rows()}, 500, "sd-v1-5", "SD1", details={"base_model_hash": "cc6cb27103417325ff94"}
)
SDXL = Embedding("my-cat", {"clip_l": rows(), "clip_g": rows(2, 1280)}, 700, "xl", "SDXL")
