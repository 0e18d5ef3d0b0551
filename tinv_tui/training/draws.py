"""Randomness as a function of (seed, purpose, step, sample).

Nothing is drawn from a stream that something else could advance: previews, pauses, evaluation and resuming cannot
change what a step sees. Philox is drawn on the host, so that every device gets the same numbers.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


class Purpose(IntEnum):
    """Each purpose has numbers of its own. Values are part of a run's identity: never renumber them."""

    NOISE = 1
    TIMESTEP = 2
    TEMPLATE = 3
    TAGS = 4
    FLIP = 5
    LATENT = 6
    EPOCH_ORDER = 7
    ROUND_ORDER = 8
    EVALUATION = 9
    PREVIEW = 10


def generator(seed: int, purpose: Purpose, step: int, sample: int = 0) -> np.random.Generator:
    """A generator that depends on its arguments alone."""
    return np.random.Generator(np.random.Philox(key=[seed, purpose], counter=[0, 0, sample, step]))


def normal(seed: int, purpose: Purpose, step: int, samples: range, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal numbers for some samples of a step, [len(samples), *shape]."""
    drawn = [generator(seed, purpose, step, s).standard_normal(shape, dtype=np.float32) for s in samples]
    return np.stack(drawn)


def whole_numbers(seed: int, purpose: Purpose, step: int, samples: range, below: int) -> NDArray[np.int64]:
    """Uniform whole numbers in [0, below), one for each sample of a step."""
    return np.array([generator(seed, purpose, step, s).integers(below) for s in samples], dtype=np.int64)


class PictureOrder:
    """Which pictures a batch holds, for any batch number, without remembering the ones before.

    Pictures come in buckets of one size each, and a batch is of one bucket. Every bucket is gone through in shuffled
    epochs, one after the other without a gap, and is chosen as often as its share of the pictures asks.
    """

    def __init__(self, seed: int, counts: list[int], batch: int) -> None:
        """``counts``: pictures in each bucket, repeats included."""
        self._seed = seed
        self._counts = counts
        self._batch = batch
        self._round = lru_cache(maxsize=4)(self._draw_round)
        self._epoch = lru_cache(maxsize=4 * len(counts))(self._draw_epoch)

    def batch(self, number: int) -> tuple[int, list[int]]:
        """Batch ``number`` (from 0): its bucket and the positions of its pictures in that bucket."""
        bucket, earlier = 0, number
        if len(self._counts) > 1:
            which, within = divmod(number, sum(self._counts))
            sequence = self._round(which)
            bucket = int(sequence[within])
            earlier = which * self._counts[bucket] + int((sequence[:within] == bucket).sum())
        count = self._counts[bucket]
        places = [divmod(earlier * self._batch + b, count) for b in range(self._batch)]
        return bucket, [int(self._epoch(bucket, epoch)[place]) for epoch, place in places]

    def _draw_round(self, which: int) -> NDArray[np.int64]:
        buckets = np.repeat(np.arange(len(self._counts)), self._counts)
        return generator(self._seed, Purpose.ROUND_ORDER, which).permutation(buckets)

    def _draw_epoch(self, bucket: int, epoch: int) -> NDArray[np.int64]:
        return generator(self._seed, Purpose.EPOCH_ORDER, epoch, bucket).permutation(self._counts[bucket])
