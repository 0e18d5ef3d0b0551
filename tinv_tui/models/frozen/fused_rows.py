"""What a frozen transformer does between its matrix products, each as one kernel of a GPU (see :mod:`.row_kernels`)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from tinv_tui.models.frozen.fused import power_of_two


class _AddNorm(torch.autograd.Function):
    """Keeps the sum, which the block goes on with anyway, and two numbers a row."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, plus: Tensor | None, norm: nn.LayerNorm) -> tuple[Tensor, Tensor]:
        from tinv_tui.models.frozen import row_kernels

        x, plus = x.contiguous(), None if plus is None else plus.contiguous()
        total, y = x if plus is None else torch.empty_like(x), torch.empty_like(x)
        rows, words = _rows(x)
        statistics = x.new_empty(rows, 2, dtype=torch.float32)
        row_kernels.normalise_rows[_grid(rows, words)](
            x, plus, norm.weight, norm.bias, total, y, statistics, rows, x.shape[-1], norm.eps,
            ADDED=plus is not None, **words,
        )  # fmt: skip
        ctx.save_for_backward(total, norm.weight, statistics)
        ctx.adds = plus is not None
        ctx.set_materialize_grads(False)
        return total, y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, carried: Tensor | None, grad: Tensor | None) -> tuple[Tensor | None, ...]:
        from tinv_tui.models.frozen import row_kernels

        if grad is None:
            return carried, carried if ctx.adds else None, None
        total, weight, statistics = ctx.saved_tensors
        carried, y = None if carried is None else carried.contiguous(), torch.empty_like(total)
        rows, words = _rows(total)
        row_kernels.differentiate_rows[_grid(rows, words)](
            total, weight, statistics, grad.contiguous(), carried, y, rows, total.shape[-1],
            CARRIED=carried is not None, **words,
        )  # fmt: skip
        return y, y if ctx.adds else None, None


def add_norm(norm: nn.LayerNorm, x: Tensor, plus: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """``x + plus``, and ``norm`` of that; [..., width]. The norm is frozen."""
    both: tuple[Tensor, Tensor] = _AddNorm.apply(x, plus, norm)  # type: ignore[no-untyped-call]
    return both


class _Join(torch.autograd.Function):
    """Keeps nothing."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor, hidden: Tensor, bias: Tensor) -> Tensor:
        from tinv_tui.models.frozen import row_kernels

        x, hidden = (tensor.contiguous(memory_format=torch.channels_last) for tensor in (x, hidden))
        y = torch.empty_like(x)
        row_kernels.join[_spans(x)](x, hidden, bias, y, x.numel(), x.shape[1], SPAN=row_kernels.SPAN)
        return y

    @staticmethod
    @once_differentiable
    def backward(_ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        return grad, grad, None


def join(x: Tensor, hidden: Tensor, bias: Tensor) -> Tensor:
    """``x + hidden + bias``; [b, c, h, w], the frozen bias [c]."""
    y: Tensor = _Join.apply(x, hidden, bias)  # type: ignore[no-untyped-call]
    return y


class _QuickGELU(torch.autograd.Function):
    """Keeps what goes in."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        from tinv_tui.models.frozen import row_kernels

        x = x.contiguous()
        ctx.save_for_backward(x)
        y = torch.empty_like(x)
        row_kernels.quick_gelu[_spans(x)](x, y, x.numel(), SPAN=row_kernels.SPAN)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        from tinv_tui.models.frozen import row_kernels

        (x,) = ctx.saved_tensors
        y = torch.empty_like(x)
        row_kernels.quick_gelu_back[_spans(x)](x, grad.contiguous(), y, x.numel(), SPAN=row_kernels.SPAN)
        return y


def fused_quick_gelu(x: Tensor) -> Tensor:
    """``x * sigmoid(1.702 x)``."""
    y: Tensor = _QuickGELU.apply(x)  # type: ignore[no-untyped-call]
    return y


def _rows(x: Tensor) -> tuple[int, dict[str, int]]:
    """How many there are, and the shape of what a program takes of them."""
    from tinv_tui.models.frozen import row_kernels

    width = power_of_two(x.shape[-1])
    return x.numel() // x.shape[-1], {"ROWS": max(1, row_kernels.TILE // width), "WIDTH": width}


def _grid(rows: int, words: dict[str, int]) -> tuple[int]:
    return (-(-rows // words["ROWS"]),)


def _spans(x: Tensor) -> tuple[int]:
    from tinv_tui.models.frozen import row_kernels

    return (-(-x.numel() // row_kernels.SPAN),)
