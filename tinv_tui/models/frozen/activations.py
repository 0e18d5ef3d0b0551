"""Activations that are computed again on the way back from what was kept anyway, instead of being kept themselves."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn.functional import gelu, silu


class _NormSiLU(torch.autograd.Function):
    """Keeps the input and two numbers a group; torch keeps the normalised picture as well."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        context = cast("Any", ctx)
        x = _laid_out(x)
        normalised, mean, rstd = _normalise(x, weight, bias, groups, eps)
        context.save_for_backward(x, weight, bias, mean, rstd)
        context.groups, context.eps = groups, eps
        return silu(normalised)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, mean, rstd = ctx.saved_tensors
        normalised, _, _ = _normalise(x, weight, bias, ctx.groups, ctx.eps)
        inner = torch.ops.aten.silu_backward(grad, normalised)
        n, c, *sides = x.shape
        gradient, _, _ = torch.ops.aten.native_group_norm_backward(
            _laid_out(inner), x, mean, rstd, weight, n, c, _product(sides), ctx.groups, [True, False, False]
        )
        return gradient, None, None, None, None


def _normalise(x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    n, c, *sides = x.shape
    result: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.native_group_norm(
        x, weight, bias, n, c, _product(sides), groups, eps
    )
    return result


def _product(sides: list[int]) -> int:
    return int(torch.Size(sides).numel())


def _laid_out(x: Tensor) -> Tensor:
    """As torch's group norm takes it: whole, in whichever of the two orders it is in."""
    channels_last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return x if channels_last else x.contiguous()


def norm_silu(norm: nn.GroupNorm, x: Tensor) -> Tensor:
    """``silu(norm(x))``, [b, c, h, w], to the bit, keeping half as much for the way back. The norm is frozen."""
    if not x.requires_grad:
        return silu(norm(x))
    y: Tensor = _NormSiLU.apply(x, norm.weight, norm.bias, norm.num_groups, norm.eps)  # type: ignore[no-untyped-call]
    return y


class _Gate(torch.autograd.Function):
    """Keeps what goes in; torch keeps the gate's activation as well."""

    @staticmethod
    def forward(ctx: FunctionCtx, both: Tensor) -> Tensor:
        cast("Any", ctx).save_for_backward(both)
        value, gate = both.chunk(2, dim=-1)
        return value * gelu(gate)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (both,) = ctx.saved_tensors
        value, gate = both.chunk(2, dim=-1)
        return torch.cat([grad * gelu(gate), torch.ops.aten.gelu_backward(grad * value, gate)], dim=-1)


def gated_gelu(both: Tensor) -> Tensor:
    """``value * gelu(gate)`` of [..., 2 n] that holds the two side by side; to the bit as torch computes it."""
    if not both.requires_grad:
        value, gate = both.chunk(2, dim=-1)
        return value * gelu(gate)
    y: Tensor = _Gate.apply(both)  # type: ignore[no-untyped-call]
    return y
