"""A step's result on its way from the device: the host goes on to the next steps meanwhile."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tinv_tui.training.guard import NotFinite


@dataclass(frozen=True)
class StepResult:
    """What is known of a finished step. ``first_prompt`` is the step's own training prompt, with ``[name]`` in it."""

    step: int
    loss: float
    learning_rate: float
    first_prompt: str
    gradient: float
    """The largest number of the gradient, after clipping; the sign left out."""
    change: float
    """The largest number of what the step added to the vectors; the sign left out."""
    gradient_norm: float
    """Euclidean, before clipping, of all vectors together."""


class Arriving:
    """What a step measured, [4]: loss, gradient, change and the gradient's norm, as a StepResult has them."""

    def __init__(self, step: int, measured: Tensor, learning_rate: float, first_prompt: str) -> None:
        self._step = step
        self._learning_rate = learning_rate
        self._first_prompt = first_prompt
        self._arrived: torch.cuda.Event | None = None
        self._measured = measured
        if measured.device.type == "cuda":  # reading it where it is would wait for all that was asked for since
            self._measured = torch.empty(measured.shape, pin_memory=True).copy_(measured, non_blocking=True)
            self._arrived = torch.cuda.Event()
            self._arrived.record(torch.cuda.current_stream(measured.device))

    def result(self) -> StepResult:
        """Wait for it. Raises NotFinite."""
        if self._arrived is not None:
            self._arrived.synchronize()
        loss, gradient, change, norm = self._measured.tolist()
        if not math.isfinite(loss):
            raise NotFinite(self._step, self._learning_rate, "the loss", suspect=self._step - 1)
        if not math.isfinite(gradient):
            suspect = self._step - 1
            raise NotFinite(self._step, self._learning_rate, "the gradient", suspect=suspect, of_gradient=True)
        return StepResult(self._step, loss, self._learning_rate, self._first_prompt, gradient, change, norm)
