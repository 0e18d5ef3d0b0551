"""Muon: momentum whose matrix updates are orthogonalised by a Newton-Schulz iteration (Jordan et al., 2024).

torch.optim.Muon takes matrices only; here convolution kernels are flattened to matrices too, and everything that is not
a matrix is left to AdamW. On the tiny VAE this reaches a given loss four to five times sooner than AdamW alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _orthogonalise(matrix: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly: five quintic Newton-Schulz steps; [m, n] to [m, n]."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x: Tensor = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Muon for matrices and convolution kernels, AdamW for the rest, in one optimiser with one schedule factor."""

    def __init__(
        self, module: nn.Module, *, matrix_rate: float, other_rate: float, plain: tuple[str, ...] = ()
    ) -> None:
        """``plain``: parameter names containing one of these go to AdamW although they are matrices."""
        matrices, others = list[nn.Parameter](), list[nn.Parameter]()
        for name, parameter in module.named_parameters():
            is_matrix = parameter.ndim >= 2 and min(parameter.flatten(1).shape) > 4
            (matrices if is_matrix and not any(p in name for p in plain) else others).append(parameter)
        groups = [
            {"params": matrices, "muon": True, "base": matrix_rate},
            {"params": others, "muon": False, "base": other_rate},
        ]
        super().__init__(groups, {"factor": 1.0})

    def set_factor(self, factor: float) -> None:
        for group in self.param_groups:
            group["factor"] = factor

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            rate = group["base"] * group["factor"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if group["muon"]:
                    momentum = state.setdefault("momentum", torch.zeros_like(p))
                    momentum.lerp_(p.grad, 0.1)
                    update = _orthogonalise(p.grad.lerp(momentum, 0.9).flatten(1))
                    scale = max(1.0, update.shape[0] / update.shape[1]) ** 0.5
                    p.add_(update.view_as(p), alpha=-rate * scale)
                else:
                    count = state["count"] = state.get("count", 0) + 1
                    first = state.setdefault("first", torch.zeros_like(p)).lerp_(p.grad, 0.1)
                    second = state.setdefault("second", torch.zeros_like(p))
                    second.mul_(0.99).addcmul_(p.grad, p.grad, value=0.01)
                    scaled = (second / (1 - 0.99**count)).sqrt_().add_(1e-8)
                    p.addcdiv_(first / (1 - 0.9**count), scaled, value=-rate)
