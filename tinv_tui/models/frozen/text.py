"""Text encoders whose weights are held in 16 bits while all is computed in fp32: half the memory, and their own bits where
the weights are 16-bit values, as those of most published files are."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear


class _Linear(torch.autograd.Function):
    """Keeps the narrow weight alone, and widens it once more on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        return linear(x, weight.float(), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        return grad @ weight.float(), None, None


def hold_in_16_bits(encoder: nn.Module) -> None:
    """Narrow the linear layers of a frozen fp32 text encoder, in place.

    Weights that 16 bits cannot say are rounded, by a 2000th of themselves.
    """
    for module in _wide(encoder, torch.float32):
        module.weight = nn.Parameter(_narrow(module.weight), requires_grad=False)
        # Bound to the module as it is: hooks on it, and whoever holds it, stay.
        module.forward = MethodType(_compute, module)


def hold_in_32_bits(encoder: nn.Module) -> None:
    """Undo :func:`hold_in_16_bits`, but for what was rounded."""
    for module in [*_wide(encoder, torch.float16), *_wide(encoder, torch.bfloat16)]:
        module.weight = nn.Parameter(module.weight.float(), requires_grad=False)
        del module.forward


def _wide(encoder: nn.Module, dtype: torch.dtype) -> list[Any]:
    return [module for module in encoder.modules() if type(module) is nn.Linear and module.weight.dtype == dtype]


def _narrow(weight: Tensor) -> Tensor:
    """In fp16, which is the finer one, unless only bf16 says the weight as it is or has its range."""
    half = weight.half()
    if torch.equal(half.float(), weight):
        return half
    brain = weight.bfloat16()
    return brain if torch.equal(brain.float(), weight) or not bool(torch.isfinite(half).all()) else half


def _compute(self: nn.Linear, x: Tensor) -> Tensor:
    if not x.requires_grad:
        return linear(x, self.weight.float(), self.bias)
    y: Tensor = _Linear.apply(x, self.weight, self.bias)  # type: ignore[no-untyped-call]
    return y
