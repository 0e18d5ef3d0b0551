"""Which words of a base model lie nearest to an embedding's vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinv_tui.embeddings.embedding import Vectors
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.token_table import read_token_rows
from tinv_tui.models.tokenizer import tokenizer_for

_BLOCK = 4096
"""Rows of the token table that are in memory at a time."""


def nearest_words(vectors: Vectors, model: BaseModel) -> dict[str, list[list[tuple[str, float]]]]:
    """For each tensor and each of its vectors the five nearest words of the model, and their cosines.

    ``vectors`` fit the model. Raises InputError where its token table cannot be read.
    """
    tokenizer = tokenizer_for(model.tokenizer_folder)
    ends = np.cumsum(model.widths)[:-1]
    seekers = {tensor: Nearest(vectors[tensor]) for tensor in model.family.tensors}
    for first in range(0, tokenizer.size, _BLOCK):
        rows = read_token_rows(model, range(first, min(first + _BLOCK, tokenizer.size)))
        for seeker, block in zip(seekers.values(), np.split(rows, ends, axis=1), strict=True):
            seeker.look_at(block)
    return {
        tensor: [[(tokenizer.word(token), cosine) for token, cosine in near] for near in seeker.found]
        for tensor, seeker in seekers.items()
    }


class Nearest:
    """The token ids with the highest cosine to each of some rows, found in a table that comes in blocks."""

    def __init__(self, rows: NDArray[np.float32], count: int = 5) -> None:
        """``rows`` [vectors, width]; ``count`` tokens are kept for each."""
        self._rows = _unit(rows)
        self._count = count
        self._seen = 0
        self._ids = np.zeros((len(rows), 0), np.int64)
        self._cosines = np.zeros((len(rows), 0))

    def look_at(self, block: NDArray[np.float32]) -> None:
        """The next rows of the table, [tokens, width], in the order of token ids."""
        here = np.tile(np.arange(self._seen, self._seen + len(block)), (len(self._rows), 1))
        ids = np.concatenate([self._ids, here], axis=1)
        cosines = np.concatenate([self._cosines, self._rows @ _unit(block).T], axis=1)
        best = np.argsort(-cosines, axis=1, kind="stable")[:, : self._count]
        self._ids, self._cosines = np.take_along_axis(ids, best, axis=1), np.take_along_axis(cosines, best, axis=1)
        self._seen += len(block)

    @property
    def found(self) -> list[list[tuple[int, float]]]:
        """(token id, cosine) for each row, the highest first. Rows of zeros are near to nothing."""
        return [
            [(int(token), float(cosine)) for token, cosine in zip(tokens, near, strict=True) if cosine > 0]
            for tokens, near in zip(self._ids, self._cosines, strict=True)
        ]


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    held = np.nan_to_num(rows.astype(np.float64), posinf=0.0, neginf=0.0)
    lengths = np.linalg.norm(held, axis=1, keepdims=True)
    unit: NDArray[np.float64] = held / np.where(lengths > 0, lengths, 1.0)
    return unit
