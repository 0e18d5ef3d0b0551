"""The vectors of several text encoders side by side in one array: what is trained, and what a file holds apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinv_tui.embeddings.files import Vectors
from tinv_tui.models.base_model import BaseModel


def pack(vectors: Vectors, model: BaseModel) -> NDArray[np.float32]:
    """[vectors, model.width]: the rows of each text encoder next to each other. Raises KeyError for one that is absent."""
    return np.concatenate([vectors[tensor] for tensor in model.family.tensors], axis=1)


def unpack(rows: NDArray[np.float32], model: BaseModel) -> Vectors:
    """The tensors of an embedding file, from rows [vectors, model.width]."""
    ends = np.cumsum(model.widths)[:-1]
    return dict(zip(model.family.tensors, np.split(rows, ends, axis=1), strict=True))
