"""Layers on a CPU whose weights are put into the kernel's own order once, not at every call."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_ONES = [1, 1]


class _Compute(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: _Packed) -> Tensor:
        ctx.layer, ctx.shape = layer, x.shape
        return layer.ahead(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.layer.back(grad, ctx.shape), None


class _Packed(nn.Module):
    """A frozen layer but for the order of its sums. Packs its weight at the first call, for the way ahead and for the way
    back: keeps twice the weight's bytes, and nothing of what goes in."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight: Tensor | None = weight.detach()
        self.bias = None if bias is None else bias.detach()
        self._ahead: Tensor | None = None
        self._back: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.weight is not None:
            self._ahead, self._back = self.pack(self.weight, x)
            self.weight = None
        if not x.requires_grad:
            return self.ahead(x)
        y: Tensor = _Compute.apply(x, self)  # type: ignore[no-untyped-call]
        return y

    def pack(self, weight: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """The weight as the kernels take it for inputs like ``x``, ahead and back."""
        raise NotImplementedError

    def ahead(self, x: Tensor) -> Tensor:
        """What comes out."""
        raise NotImplementedError

    def back(self, grad: Tensor, shape: torch.Size) -> Tensor:
        """The gradient of an input of that shape."""
        raise NotImplementedError


class PackedConv2d(_Packed):
    """Computes what ``convolution`` does, [b, in, h, w] to [b, out, h', w'].

    The gradient of what went into one of stride 1 is a convolution with the weight turned around, of another the transposed
    one.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__(convolution.weight, convolution.bias)
        self._stride = list(convolution.stride)
        self._padding = [int(side) for side in convolution.padding]
        self._kernel = list(convolution.kernel_size)
        self._padding_back = [self._kernel[n] - 1 - self._padding[n] for n in (0, 1)]
        self._turns = self._stride == _ONES and min(self._padding_back) >= 0

    def pack(self, weight: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        ahead = _reorder(weight, self._padding, self._stride, list(x.shape))
        y = _pointwise(x, ahead, self.bias, self._padding, self._stride)
        if self._turns:
            turned = weight.flip(2, 3).transpose(0, 1).contiguous()
            return ahead, _reorder(turned, self._padding_back, _ONES, list(y.shape))
        left_over = self._left_over(y.shape, x.shape)
        return ahead, _reorder_transposed(weight, self._padding, left_over, self._stride, list(y.shape))

    def ahead(self, x: Tensor) -> Tensor:
        return _pointwise(x, self._ahead, self.bias, self._padding, self._stride)

    def back(self, grad: Tensor, shape: torch.Size) -> Tensor:
        if self._turns:
            return _pointwise(grad, self._back, None, self._padding_back, _ONES)
        return _transposed(grad, self._back, self._padding, self._left_over(grad.shape, shape), self._stride)

    def _left_over(self, given: torch.Size, shape: torch.Size) -> list[int]:
        """Rows and columns at the end of an input of ``shape`` that the strides to an output of ``given`` did not reach."""
        reached = [(given[n + 2] - 1) * self._stride[n] - 2 * self._padding[n] + self._kernel[n] for n in (0, 1)]
        return [shape[n + 2] - reached[n] for n in (0, 1)]


class PackedLinear(_Packed):
    """Computes what ``layer`` does, [..., in] to [..., out].

    Products are of numbers of ``dtype``; what goes in and comes out keeps its own.
    """

    def __init__(self, layer: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__(layer.weight.to(dtype), None if layer.bias is None else layer.bias.to(dtype))
        self._dtype = dtype

    def pack(self, weight: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        rows = x.numel() // x.shape[-1]
        ways = (weight, weight.t().contiguous())
        ahead, back = (torch.ops.mkldnn._reorder_linear_weight(way, rows) for way in ways)
        return ahead, back

    def ahead(self, x: Tensor) -> Tensor:
        return _product(x.to(self._dtype), self._ahead, self.bias).to(x.dtype)

    def back(self, grad: Tensor, shape: torch.Size) -> Tensor:
        return _product(grad.to(self._dtype), self._back, None).to(grad.dtype)


def pack_linears(module: nn.Module, dtype: torch.dtype) -> None:
    """Put packed layers in place of the frozen linear ones inside a module."""
    for owner in list(module.modules()):
        for name, child in list(owner.named_children()):
            if type(child) is nn.Linear and not child.weight.requires_grad:
                owner.register_module(name, PackedLinear(child, dtype))


def can_pack(dtype: torch.dtype) -> bool:
    """Whether this torch and this processor have the packed layers for a number format: tried, not guessed.

    On the same numbers each time: a run that is resumed must find the same.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        picture, rows = torch.randn(1, 8, 4, 4).to(dtype), torch.randn(2, 4, 8).to(dtype)
        convolutions = [nn.Conv2d(8, 8, 3, stride, padding=1).to(dtype).requires_grad_(False) for stride in (1, 2)]
        linear = nn.Linear(8, 8).to(dtype).requires_grad_(False)
    try:
        same = [_agree(convolution, PackedConv2d(convolution), picture) for convolution in convolutions]
        return all(same) and _agree(linear, PackedLinear(linear, dtype), rows)
    except (RuntimeError, NotImplementedError, AttributeError):
        return False


def _agree(stock: nn.Module, packed: nn.Module, x: Tensor) -> bool:
    """Whether both come to about the same, ahead and back."""
    found = []
    for layer in (stock, packed):
        leaf = x.clone().requires_grad_()
        y = layer(leaf)
        found.append((y.detach(), torch.autograd.grad(y.float().square().sum(), [leaf])[0]))
    return all(torch.allclose(a.float(), b.float(), rtol=5e-2, atol=5e-2) for a, b in zip(*found, strict=True))


# Private to torch, used by its own compiler; see can_pack.


def _reorder(weight: Tensor, padding: list[int], stride: list[int], shape: list[int]) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(weight, padding, stride, _ONES, 1, shape)
    return packed


def _pointwise(x: Tensor, packed: Any, bias: Tensor | None, padding: list[int], stride: list[int]) -> Tensor:
    y: Tensor = torch.ops.mkldnn._convolution_pointwise(x, packed, bias, padding, stride, _ONES, 1, "none", [], "")
    return y


def _reorder_transposed(
    weight: Tensor, padding: list[int], left_over: list[int], stride: list[int], shape: list[int]
) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_convolution_transpose_weight(
        weight, padding, left_over, stride, _ONES, 1, shape
    )
    return packed


def _transposed(grad: Tensor, packed: Any, padding: list[int], left_over: list[int], stride: list[int]) -> Tensor:
    x: Tensor = torch.ops.mkldnn._convolution_transpose_pointwise(
        grad, packed, None, padding, left_over, stride, _ONES, 1, "none", [], ""
    )
    return x


def _product(x: Tensor, packed: Any, bias: Tensor | None) -> Tensor:
    y: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
    return y
