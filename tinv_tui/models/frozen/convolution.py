"""Convolutions whose weights never change, so that the way back needs no picture of what went in."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable


class _Convolve(torch.autograd.Function):
    """The gradient of the input alone needs only the weight; torch's own convolution keeps its input all the same."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int]
    ) -> Tensor:
        context = cast("Any", ctx)
        context.save_for_backward(weight)
        context.shape, context.stride, context.padding = x.shape, stride, padding
        y: Tensor = torch.ops.aten.convolution(x, weight, bias, stride, padding, [1, 1], False, [0, 0], 1)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        # Only its shape is read where no gradient of the weight is asked for; and how it lies in memory, which cuDNN
        # brings the gradient to: channels last needs room of its own, as nothing can be said to lie so without any.
        stand_in = grad.new_empty(1).expand(ctx.shape)
        if grad.is_cuda and grad.is_contiguous(memory_format=torch.channels_last):
            stand_in = torch.empty_like(stand_in, memory_format=torch.channels_last)
        mask = [True, False, False]
        gradient, _, _ = torch.ops.aten.convolution_backward(
            grad, stand_in, weight, None, ctx.stride, ctx.padding, [1, 1], False, [0, 0], 1, mask
        )
        return gradient, None, None, None, None


class FrozenConv2d(nn.Module):
    """Computes what ``convolution`` computes, to the bit, and holds on to nothing but its weight."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight = convolution.weight
        self.bias = convolution.bias
        self._stride = list(convolution.stride)
        self._padding = [int(side) for side in convolution.padding]

    def forward(self, x: Tensor) -> Tensor:
        return self._convolve(x, self.bias)

    def without_bias(self, x: Tensor) -> Tensor:
        """For whoever adds it together with something else."""
        return self._convolve(x, None)

    def _convolve(self, x: Tensor, bias: Tensor | None) -> Tensor:
        if not x.requires_grad:
            return nn.functional.conv2d(x, self.weight, bias, self._stride, self._padding)
        y: Tensor = _Convolve.apply(x, self.weight, bias, self._stride, self._padding)  # type: ignore[no-untyped-call]
        return y


def is_pointwise(convolution: nn.Conv2d) -> bool:
    """Whether each pixel of a plain convolution is computed from the one pixel in its place."""
    return (convolution.kernel_size, convolution.stride, convolution.padding) == ((1, 1), (1, 1), (0, 0))


def is_plain(module: nn.Module) -> bool:
    """Whether :class:`FrozenConv2d` can stand in: one group, no dilation, zeros around, a frozen weight."""
    return (
        type(module) is nn.Conv2d
        and module.groups == 1
        and module.dilation == (1, 1)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
        and not module.weight.requires_grad
    )
