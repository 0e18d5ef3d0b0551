"""Convolutions on a CPU whose weights are put into the kernel's own order once, not at every call."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_ONES = [1, 1]


class _ConvolvePacked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: PackedConv2d) -> Tensor:
        ctx.layer, ctx.shape = layer, x.shape
        return layer.convolve(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.layer.convolve_back(grad, ctx.shape), None


class PackedConv2d(nn.Module):
    """Computes what ``convolution`` computes but for the order of its sums; packs its weight at the first call.

    The gradient of what went into a convolution of stride 1 is a convolution with the weight turned around, which is
    packed too. Keeps about twice the weight's bytes, and nothing for the way back.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight: Tensor | None = convolution.weight.detach()
        self.bias = convolution.bias
        self._stride = list(convolution.stride)
        self._padding = [int(side) for side in convolution.padding]
        kernel = convolution.kernel_size
        self._padding_back = [kernel[n] - 1 - self._padding[n] for n in (0, 1)]
        self._turns = self._stride == _ONES and min(self._padding_back) >= 0
        self._ahead: Tensor | None = None
        self._back: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not x.requires_grad:
            return self.convolve(x)
        y: Tensor = _ConvolvePacked.apply(x, self)  # type: ignore[no-untyped-call]
        return y

    def convolve(self, x: Tensor) -> Tensor:
        """[b, in, h, w] to [b, out, h', w']."""
        if self._ahead is None:
            self._pack(x)
        return _pointwise(x, self._ahead, self.bias, self._padding, self._stride)

    def convolve_back(self, grad: Tensor, shape: torch.Size) -> Tensor:
        """The gradient of an input of that shape."""
        if self._turns:
            return _pointwise(grad, self._back, None, self._padding_back, _ONES)
        stand_in = grad.new_empty(1).expand(shape)  # only its shape is read
        gradient: Tensor = torch.ops.aten.convolution_backward(
            grad,
            stand_in,
            self.weight,
            None,
            self._stride,
            self._padding,
            _ONES,
            False,
            [0, 0],
            1,
            [True, False, False],
        )[0]
        return gradient

    def _pack(self, x: Tensor) -> None:
        assert self.weight is not None
        self._ahead = _reorder(self.weight, self._padding, self._stride, list(x.shape))
        if self._turns:
            turned = self.weight.flip(2, 3).transpose(0, 1).contiguous()
            y = _pointwise(x, self._ahead, self.bias, self._padding, self._stride)
            self._back = _reorder(turned, self._padding_back, _ONES, list(y.shape))
            self.weight = None


def can_pack(dtype: torch.dtype) -> bool:
    """Whether this torch and this processor have the packed convolution for a number format: tried, not guessed."""
    try:
        trial = nn.Conv2d(8, 8, 3, padding=1).to(dtype).requires_grad_(False)
        x = torch.randn(1, 8, 4, 4, dtype=dtype)
        return bool(torch.allclose(PackedConv2d(trial)(x).float(), trial(x).float(), rtol=1e-2, atol=1e-2))
    except (RuntimeError, NotImplementedError, AttributeError):
        return False


# Private to torch, used by its own compiler; see can_pack.


def _reorder(weight: Tensor, padding: list[int], stride: list[int], shape: list[int]) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(weight, padding, stride, _ONES, 1, shape)
    return packed


def _pointwise(x: Tensor, packed: Any, bias: Tensor | None, padding: list[int], stride: list[int]) -> Tensor:
    y: Tensor = torch.ops.mkldnn._convolution_pointwise(x, packed, bias, padding, stride, _ONES, 1, "none", [], "")
    return y
