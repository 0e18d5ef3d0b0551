"""Which words of a base model lie nearest to an embedding's vectors."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def nearest_tokens(
    rows: NDArray[np.float32], table: Iterable[NDArray[np.float32]], count: int = 5
) -> list[list[tuple[int, float]]]:
    """For each of ``rows`` [vectors, width] the token ids with the highest cosine, and it; the highest first.

    ``table`` is the token table in blocks, in the order of token ids. Rows of zeros are near to nothing.
    """
    wanted = _unit(rows)
    ids = np.zeros((len(rows), 0), np.int64)
    cosines = np.zeros((len(rows), 0))
    first = 0
    for block in table:
        here = wanted @ _unit(block).T
        ids = np.concatenate([ids, np.tile(np.arange(first, first + len(block)), (len(rows), 1))], axis=1)
        cosines = np.concatenate([cosines, here], axis=1)
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        ids, cosines = np.take_along_axis(ids, best, axis=1), np.take_along_axis(cosines, best, axis=1)
        first += len(block)
    return [
        [(int(token), float(cosine)) for token, cosine in zip(tokens, near, strict=True) if cosine > 0]
        for tokens, near in zip(ids, cosines, strict=True)
    ]


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    held = np.nan_to_num(rows.astype(np.float64), posinf=0.0, neginf=0.0)
    lengths = np.linalg.norm(held, axis=1, keepdims=True)
    unit: NDArray[np.float64] = held / np.where(lengths > 0, lengths, 1.0)
    return unit
