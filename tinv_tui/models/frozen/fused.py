"""What a frozen UNet does between its convolutions and matrix products, each as one or two kernels of a GPU.

Less is kept for the way back than torch's operators keep, and less is written and read: a norm, its SiLU and what is added
before them are one pass, where torch makes ten. The kernels are in :mod:`tinv_tui.models.frozen.kernels`, which is imported
where it is called: Triton comes with torch's CUDA builds alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

_FEWEST_CHUNKS = 64
"""For which the kernels are compiled at least: one kernel then serves most sizes of picture."""


class _Norm(torch.autograd.Function):
    """Keeps the input and two numbers a group."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, shift: Tensor | None, norm: nn.GroupNorm, activates: bool
    ) -> tuple[Tensor, Tensor]:
        from tinv_tui.models.frozen import kernels

        x = x.contiguous(memory_format=torch.channels_last)
        shift = shift if shift is None or shift.stride(1) == 1 else shift.contiguous()
        statistics = x.new_empty(x.shape[0] * norm.num_groups, 2, dtype=torch.float32)
        y, numbers = torch.empty_like(x), _numbers(x, norm.num_groups, shift)
        given, told = (x, shift, norm.weight, norm.bias), {"SHIFTED": shift is not None, "SILU": activates}
        grid, words, chunks = _layout(x, norm.num_groups)
        parts = x.new_empty(*grid, 2, dtype=torch.float32)
        kernels.measure[grid](x, shift, parts, *numbers, SHIFTED=shift is not None, **words)
        kernels.normalise[grid](*given, parts, statistics, y, *numbers, norm.eps, CHUNKS=chunks, **told, **words)
        ctx.save_for_backward(x, shift, norm.weight, norm.bias, statistics)
        ctx.groups, ctx.activates = norm.num_groups, activates
        ctx.set_materialize_grads(False)
        return y, x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, carried: Tensor | None) -> tuple[Tensor | None, ...]:
        from tinv_tui.models.frozen import kernels

        if grad is None:
            return carried, None, None, None
        x, *others = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        carried = None if carried is None else carried.contiguous(memory_format=torch.channels_last)
        y, numbers = torch.empty_like(x), _numbers(x, ctx.groups, others[0])
        told = {"SHIFTED": others[0] is not None, "SILU": ctx.activates}
        grid, words, chunks = _layout(x, ctx.groups)
        parts = x.new_empty(*grid, 2, dtype=torch.float32)
        kernels.measure_back[grid](x, *others, grad, parts, *numbers, **told, **words)
        kernels.differentiate[grid](
            x, *others, grad, parts, carried, y, *numbers, CARRIED=carried is not None, CHUNKS=chunks, **told, **words
        )
        of_shift = None
        if ctx.needs_input_grad[1]:
            of_shift = (y if carried is None else y - carried).sum((2, 3))
        return y, of_shift, None, None


def norm_and_carry(norm: nn.GroupNorm, x: Tensor, *, activates: bool) -> tuple[Tensor, Tensor]:
    """``norm(x)``, and ``silu`` of it if it ``activates``, beside ``x`` itself for what goes past the norm.

    Who takes both saves a pass: the gradients of the two are added where the norm's is written.
    """
    both: tuple[Tensor, Tensor] = _Norm.apply(x, None, norm, activates)  # type: ignore[no-untyped-call]
    return both


def fused_norm(norm: nn.GroupNorm, x: Tensor, shift: Tensor | None = None, *, activates: bool) -> Tensor:
    """``norm(x + shift)``, and ``silu`` of it if it ``activates``; [b, c, h, w], shift [b, c]. The norm is frozen."""
    y: Tensor = _Norm.apply(x, shift, norm, activates)[0]  # type: ignore[no-untyped-call]
    return y


class _Gate(torch.autograd.Function):
    """Keeps what goes in."""

    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        from tinv_tui.models.frozen import kernels

        both = both.contiguous()
        ctx.save_for_backward(both)
        width = both.shape[-1] // 2
        y = both.new_empty(*both.shape[:-1], width)
        kernels.gate[_rows(y)](both, y, width, SPAN=kernels.SPAN)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        from tinv_tui.models.frozen import kernels

        (both,) = ctx.saved_tensors
        y = torch.empty_like(both)
        kernels.gate_back[_rows(grad)](both, grad.contiguous(), y, grad.shape[-1], SPAN=kernels.SPAN)
        return y


def fused_gate(both: Tensor) -> Tensor:
    """``value * gelu(gate)`` of [..., 2 n] that holds the two side by side."""
    y: Tensor = _Gate.apply(both)  # type: ignore[no-untyped-call]
    return y


class PointwiseConv2d(nn.Module):
    """A convolution of single pixels, as the matrix product that it is where channels lie last: its bias costs nothing."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight = convolution.weight
        self.bias = convolution.bias

    def forward(self, x: Tensor) -> Tensor:
        return linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def _layout(x: Tensor, groups: int) -> tuple[tuple[int, int], dict[str, int], int]:
    """How many programs work on a picture's groups and on chunks of them, the shape of a chunk, and for how many at most."""
    from tinv_tui.models.frozen import kernels

    width = power_of_two(x.shape[1] // groups)
    rows = max(1, kernels.TILE // width)
    chunks = -(-(x.shape[2] * x.shape[3]) // rows)
    return (x.shape[0] * groups, chunks), {"ROWS": rows, "WIDTH": width}, max(_FEWEST_CHUNKS, power_of_two(chunks))


def _numbers(x: Tensor, groups: int, shift: Tensor | None) -> tuple[int, int, int, int]:
    """Pixels, channels, groups, and how far apart the shifts of two pictures lie."""
    return x.shape[2] * x.shape[3], x.shape[1], groups, 0 if shift is None else shift.stride(0)


def power_of_two(count: int) -> int:
    """The smallest that is no less."""
    return 1 << max(0, count - 1).bit_length()


def _rows(y: Tensor) -> tuple[int, int]:
    from tinv_tui.models.frozen import kernels

    return y.numel() // y.shape[-1], -(-y.shape[-1] // kernels.SPAN)
