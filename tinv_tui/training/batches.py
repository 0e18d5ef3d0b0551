"""The pictures, prompts and draws of one backward pass, and the loss they have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from tinv_tui.models.loading import LoadedModel
from tinv_tui.recipe import Recipe
from tinv_tui.training.conditioning import predict
from tinv_tui.training.draws import PictureOrder, Purpose, normal, whole_numbers
from tinv_tui.training.latents import LatentStore
from tinv_tui.training.objective import add_noise, target_of, weighted_loss
from tinv_tui.training.prompts import PromptBook
from tinv_tui.training.transfer import to_device
from tinv_tui.training.vectors import SplicingEncoder, pack_prompts


@dataclass(frozen=True)
class Batch:
    """Samples [b, …] on the device. ``ids``, ``slots`` and ``tokens`` are those of :func:`pack_prompts`, ``sizes`` of
    ``told_sizes``."""

    latents: Tensor
    noise: Tensor
    timesteps: Tensor
    weight: Tensor
    """Of each latent cell."""
    sizes: Tensor
    ids: Tensor
    slots: Tensor
    tokens: Tensor
    first_prompt: str = ""
    share: float = 1.0
    """Of the batch that this is a part of."""

    def __len__(self) -> int:
        return len(self.timesteps)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All that is on the device."""
        return self.latents, self.noise, self.timesteps, self.weight, self.sizes, self.ids, self.slots, self.tokens

    @staticmethod
    def of(tensors: Sequence[Tensor]) -> Batch:
        """A batch of what :attr:`tensors` gave."""
        latents, noise, timesteps, weight, sizes, ids, slots, tokens = tensors
        return Batch(latents, noise, timesteps, weight, sizes, ids, slots, tokens)

    def parts(self, count: int) -> Iterator[Batch]:
        """The same samples in ``count`` parts, as equal as can be; their losses times their shares add up to the whole's."""
        for members in np.array_split(np.arange(len(self)), count):
            own = slice(int(members[0]), int(members[-1]) + 1)
            yield replace(
                self,
                latents=self.latents[own],
                noise=self.noise[own],
                timesteps=self.timesteps[own],
                weight=self.weight[own],
                sizes=self.sizes[own],
                ids=self.ids[:, own],
                slots=self.slots[own],
                tokens=self.tokens[own],
                share=len(members) / len(self),
            )


class Batches:
    """Draws the batches of a run: each is a function of the seed and its place, whatever was drawn before."""

    def __init__(
        self, recipe: Recipe, model: LoadedModel, latents: LatentStore, prompts: PromptBook, seed: int
    ) -> None:
        self._settings = recipe.training
        self._model = model
        self._latents = latents
        self._prompts = prompts
        self._seed = seed
        repeats = recipe.dataset.repeats
        self._order = PictureOrder(
            seed, [len(b.pictures) * repeats for b in latents.buckets], recipe.training.batch_size
        )
        self._sides = 2 if recipe.dataset.flip else 1
        self._draws_latents = recipe.dataset.latent_sampling == "random"
        self._blank = prompts.chunks("")[0]

    def draw(self, step: int, turn: int) -> Batch:
        """The batch of one turn of a step; a step has as many as it accumulates gradients of."""
        seed, size, device = self._seed, self._settings.batch_size, self._model.device
        samples = range(turn * size, (turn + 1) * size)
        chosen, places = self._order.batch((step - 1) * self._settings.gradient_accumulation + turn)
        bucket = self._latents.buckets[chosen]
        positions = [place % len(bucket.pictures) for place in places]
        texts = [self._prompts.text(step, s, bucket.pictures[p]) for s, p in zip(samples, positions, strict=True)]
        chunks = [self._prompts.chunks(text) for text in texts]
        ids, slots, tokens = pack_prompts(chunks, self._blank, self._model)

        shape = tuple(bucket.mean.shape[2:])
        mirrored = np.zeros(size, dtype=np.int64)
        if self._sides > 1:
            mirrored = whole_numbers(seed, Purpose.FLIP, step, samples, self._sides)
        spread = None
        if self._draws_latents:
            spread = to_device(normal(seed, Purpose.LATENT, step, samples, shape), device)
        latents, weight, sizes = self._latents.take(chosen, positions, mirrored, spread)
        noise = to_device(normal(seed, Purpose.NOISE, step, samples, shape), device)
        timesteps = to_device(whole_numbers(seed, Purpose.TIMESTEP, step, samples, self._model.timesteps), device)
        return Batch(latents, noise, timesteps, weight, sizes, ids, slots, tokens, texts[0])


def loss_of(model: LoadedModel, encoder: SplicingEncoder, batch: Batch, vectors: Tensor) -> Tensor:
    """The mean loss of a batch's samples, for vectors [n, width]; fp32."""
    told = encoder.encode(batch.ids, batch.slots, batch.tokens, vectors)
    noisy = add_noise(batch.latents, batch.noise, model.alphas_cumprod, batch.timesteps)
    predicted = predict(model, noisy, batch.timesteps, told, batch.sizes)
    target = target_of(model.prediction_type, batch.latents, batch.noise, model.alphas_cumprod, batch.timesteps)
    return weighted_loss(predicted, target, batch.weight)
