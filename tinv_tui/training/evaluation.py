"""The evaluation loss: fixed pictures, noises and timesteps, so that two values differ only by the vectors."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from tinv_tui.models.loading import LoadedModel
from tinv_tui.training.batches import Batch, loss_of
from tinv_tui.training.draws import Purpose, normal
from tinv_tui.training.latents import LatentStore
from tinv_tui.training.prompts import PromptBook
from tinv_tui.training.vectors import SplicingEncoder, pack_prompts

_SHARE = 0.05
"""Of the training time, about."""
_FORWARD_SHARE = 0.4
"""Of a training step, for the same pictures: forward only."""


def evaluation_interval(evaluation_samples: int, samples_per_step: int) -> int:
    """Evaluate every so many steps, 0 for never: chosen so that it takes about 5 % of the time."""
    if not evaluation_samples:
        return 0
    return max(1, math.ceil(_FORWARD_SHARE * evaluation_samples / samples_per_step / _SHARE))


class Evaluation:
    """Evaluates the vectors on the same few samples each time. Draws nothing that training draws from."""

    def __init__(self, samples: int, store: LatentStore, prompts: PromptBook, model: LoadedModel, seed: int) -> None:
        self._model = model
        self._groups = list[Batch]()
        pictures = [(b, p) for b, bucket in enumerate(store.buckets) for p in range(len(bucket.pictures))]
        spread = [pictures[i * len(pictures) // samples] for i in range(samples)]
        # Spread timesteps, in bit-reversed order so that neighbouring pictures do not get neighbouring noise levels.
        levels = [
            int((i + 0.5) / samples * model.timesteps) for i in sorted(range(samples), key=lambda i: f"{i:06b}"[::-1])
        ]
        for bucket in sorted({b for b, _ in spread}):
            members = [i for i, (b, _) in enumerate(spread) if b == bucket]
            positions = [spread[i][1] for i in members]
            latents, weight, sizes = store.take(bucket, positions, np.zeros(len(members), dtype=np.int64), None)
            noise = np.concatenate(
                [normal(seed, Purpose.EVALUATION, 0, range(i, i + 1), tuple(latents.shape[1:])) for i in members]
            )
            texts = [prompts.fixed_text(store.buckets[bucket].pictures[p]) for p in positions]
            blank = prompts.chunks("")[0]
            packed = pack_prompts([prompts.chunks(text) for text in texts], blank, model)
            timestep = torch.tensor([levels[i] for i in members], device=model.device)
            self._groups.append(
                Batch(latents, torch.from_numpy(noise).to(model.device), timestep, weight, sizes, *packed)
            )

    @torch.no_grad()
    def loss(self, encoder: SplicingEncoder, rows: Tensor, at_once: int) -> float:
        """The mean loss over all samples, for vectors [n, width]; computed for ``at_once`` of them together.

        That is what a step does, so that an evaluation takes less memory than a step.
        """
        total = 0.0
        for group in self._groups:
            for part in group.parts(-(-len(group) // at_once)):
                total += float(loss_of(self._model, encoder, part, rows)) * len(part)
        return total / sum(len(group) for group in self._groups)
