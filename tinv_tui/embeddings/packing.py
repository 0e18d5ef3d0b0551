"""The vectors of several text encoders side by side in one array: what is trained, and what a file holds apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tinv_tui.embeddings.files import Vectors
from tinv_tui.models.base_model import BaseModel


def pack(vectors: Vectors, model: BaseModel) -> NDArray[np.float32]:
    """[vectors, model.width]: the rows of each text encoder next to each other. Raises KeyError for one that is absent."""
    return np.concatenate([vectors[tensor] for tensor in model.family.tensors], axis=1)


def unpack(rows: NDArray[np.float32], model: BaseModel) -> Vectors:
    """The tensors of an embedding file, from rows [vectors, model.width]."""
    return split(rows, model.tensors)


def split(rows: NDArray[np.float32], widths: Mapping[str, int]) -> Vectors:
    """The tensors of an embedding file, from rows that hold them side by side; ``widths`` by name, in that order.

    Raises ValueError when they are not together as wide as the rows.
    """
    if sum(widths.values()) != rows.shape[1]:
        raise ValueError(f"rows of {rows.shape[1]} numbers do not hold {dict(widths)}")
    return dict(zip(widths, np.split(rows, np.cumsum(list(widths.values()))[:-1], axis=1), strict=True))
