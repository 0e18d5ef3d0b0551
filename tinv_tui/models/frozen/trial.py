"""Tries the fused operators where they are to run: what cannot be compiled there, or comes out otherwise, is not taken."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, silu

from tinv_tui.errors import in_one_line
from tinv_tui.models.frozen.fused import fused_gate, fused_norm, norm_and_carry
from tinv_tui.models.frozen.fused_rows import add_norm, fused_quick_gelu, join

Compute = Callable[[Tensor], Tensor]
_ROUNDING = 2e-2
"""By how much of it the kernels' answer in 16 bits may differ from torch's, which rounds at each of its passes."""


def why_not_fused(device: torch.device, dtype: torch.dtype) -> str:
    """Empty where the kernels can be compiled for a device, and come to what torch comes to; else why training does without."""
    x = torch.linspace(-2, 2, 320, device=device, dtype=dtype).view(2, 8, 4, 5)
    try:
        for name, (ours, exact) in _pairs(device, dtype).items():
            if not agree(ours, exact, x):
                return f"{name} comes out otherwise than torch's own"
    except Exception as error:  # noqa: BLE001  no Triton, no C compiler, a GPU it does not know
        return in_one_line(error)
    return ""


def _pairs(device: torch.device, dtype: torch.dtype) -> dict[str, tuple[Compute, Compute]]:
    """Each operator as it is used, and what it should come to for numbers in fp32."""
    groups, row = nn.GroupNorm(4, 8, device=device), nn.LayerNorm(5, device=device)
    own_groups = deepcopy(groups).to(dtype).requires_grad_(False)
    own_row = deepcopy(row).to(dtype).requires_grad_(False)
    bias = torch.linspace(-1, 1, 8, device=device)
    shift = bias.expand(2, 8)

    def past_a_norm(x: Tensor) -> Tensor:
        y, carried = norm_and_carry(own_groups, x, activates=True)
        return y + carried

    def past_a_row_norm(x: Tensor) -> Tensor:
        total, y = add_norm(own_row, x, x)
        return total + y

    return {
        "a norm": (past_a_norm, lambda x: silu(groups(x)) + x),
        "a shifted norm": (
            lambda x: fused_norm(own_groups, x, shift.to(dtype), activates=True),
            lambda x: silu(groups(x + shift[..., None, None])),
        ),
        "a layer norm": (past_a_row_norm, lambda x: 2 * x + row(2 * x)),
        "a sum": (lambda x: join(x, x.square(), bias.to(dtype)), lambda x: x + x.square() + bias[:, None, None]),
        "a gate": (
            lambda x: fused_gate(x.flatten(1)),
            lambda x: x.flatten(1).chunk(2, dim=1)[0] * gelu(x.flatten(1).chunk(2, dim=1)[1]),
        ),
        "an activation": (lambda x: fused_quick_gelu(x.float()), lambda x: x * (1.702 * x).sigmoid()),
    }


def agree(ours: Compute, exact: Compute, x: Tensor) -> bool:
    """Whether an operator and its gradient come to what torch comes to in fp32, but for the rounding of ``x``'s format."""
    found = []
    for compute, of in ((ours, x.detach().clone()), (exact, x.detach().float())):
        y = compute(of.requires_grad_())
        up = torch.linspace(0, 99, y.numel(), device=y.device).sin().view(y.shape)
        found.append((y, torch.autograd.grad(y, of, up.to(y.dtype))[0]))
    return all(bool((a - b).norm() <= _ROUNDING * b.norm()) for a, b in zip(*found, strict=True))
