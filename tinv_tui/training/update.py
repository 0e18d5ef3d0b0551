"""What one step does to the vectors: a gradient added up part by part, and one update.

Everything here that differs between steps is in tensors that stay where they are, and nothing waits for the device, so
that a GPU can play it back (see :mod:`tinv_tui.training.graphs`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tinv_tui.training.batches import Batch, loss_of
from tinv_tui.training.graphs import Graphs
from tinv_tui.training.norms import NormRange
from tinv_tui.training.state import TrainingState

if TYPE_CHECKING:
    from tinv_tui.training.loop import Job


class Update:
    """Updates the vectors and moments of a state in place."""

    def __init__(self, job: Job, state: TrainingState, graphs: Graphs | None) -> None:
        self._job = job
        self._graphs = graphs
        if graphs is not None:
            graphs.forget()  # what is recorded there reads and changes another update's tensors
        self._vectors = torch.nn.Parameter(state.vectors)
        state.vectors = self._vectors.data
        self._gradient = torch.zeros_like(state.vectors)
        self._vectors.grad = self._gradient
        self._loss = torch.zeros((), device=self._vectors.device)
        self._measured = torch.zeros(4, device=self._vectors.device)
        self._scale = torch.ones((), device=self._vectors.device) if job.model.dtype == torch.float16 else None
        self._caps = NormRange(job.model) if job.recipe.training.cap_norm else None
        self._optimizer = _optimizer(self._vectors, state)

    def begin(self, loss_scale: float) -> None:
        """Forget the gradient of the step before, or of an attempt that failed. ``loss_scale`` is for fp16 alone."""
        if self._scale is not None:
            self._scale.fill_(loss_scale)
        self._gradient.zero_()
        self._loss.zero_()

    def add(self, part: Batch, share: float) -> None:
        """Add the gradient of a batch's loss, weighted by its ``share`` of the step."""
        tensors = part.tensors

        def add_gradient(*inputs: Tensor) -> None:
            loss = loss_of(self._job.model, self._job.encoder, Batch.of(inputs), self._vectors) * share
            scaled = loss if self._scale is None else loss * self._scale
            self._gradient.add_(torch.autograd.grad(scaled, [self._vectors])[0])
            self._loss.add_(loss.detach())

        shapes = tuple(tuple(tensor.shape) for tensor in tensors)
        self._run(("gradient", share, shapes), add_gradient, tensors, (self._gradient, self._loss))

    def finish(self, rate: float, limit: float) -> Tensor:
        """Update the vectors by the gradient, clipped to ``limit``.

        Returns [4]: the step's loss, the largest number of its gradient behind clipping, and of its change of the vectors,
        and the gradient's Euclidean norm before clipping.
        """
        group = self._optimizer.param_groups[0]
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
        state = self._optimizer.state[self._vectors]
        moments = (state["exp_avg"], state["exp_avg_sq"], state["step"])
        if self._vectors.device.type == "cpu":  # where AdamW counts its steps in Python, and there is little to save
            self._update(limit)
        else:
            changed = (self._gradient, self._vectors.data, *moments, self._measured)
            self._run(("update", limit), lambda: self._update(limit), (), changed)
        return self._measured.clone()

    def _update(self, limit: float) -> None:
        before = self._vectors.detach().clone()
        if self._scale is not None:
            self._gradient.div_(self._scale)
        norm = torch.linalg.vector_norm(self._gradient)
        clip = self._job.recipe.training.clip
        if clip == "value":
            torch.nn.utils.clip_grad_value_([self._vectors], limit)
        elif clip == "norm":
            torch.nn.utils.clip_grad_norm_([self._vectors], limit)
        self._optimizer.step()
        if self._caps is not None:
            self._caps.cap(self._vectors)
        change = (self._vectors.detach() - before).abs().max()
        self._measured.copy_(torch.stack([self._loss, self._gradient.abs().max(), change, norm]))

    def _run(
        self, key: Hashable, compute: Callable[..., None], inputs: tuple[Tensor, ...], changed: tuple[Tensor, ...]
    ) -> None:
        if self._graphs is None:
            compute(*inputs)
        else:
            self._graphs.run(key, compute, inputs, changed)


def _optimizer(vectors: torch.nn.Parameter, state: TrainingState) -> torch.optim.AdamW:
    """AdamW without weight decay, its moments those of the state, which it updates in place.

    On a GPU its rate and its count of steps are there too, so that it can be played back.
    """
    on_gpu = vectors.device.type == "cuda"
    rate = torch.ones((), device=vectors.device) if on_gpu else 1.0
    optimizer = torch.optim.AdamW([vectors], lr=rate, weight_decay=0.0, capturable=on_gpu)
    optimizer.state[vectors] = {
        "step": torch.tensor(float(state.step), device=vectors.device if on_gpu else "cpu"),
        "exp_avg": state.moment1,
        "exp_avg_sq": state.moment2,
    }
    return optimizer
