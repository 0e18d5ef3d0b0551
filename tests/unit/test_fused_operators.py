"""The operators that Triton fuses, by its interpreter where there is no GPU: what torch's operators come to."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, silu

from tests.unit.test_frozen_operators import _gradient, _unet
from tinv_tui.models.frozen.fused import can_fuse, fused_gate, fused_norm
from tinv_tui.models.frozen.unet import freeze_operators

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None or (DEVICE.type == "cpu" and os.environ.get("TRITON_INTERPRET") != "1"),
    reason="needs Triton and an NVIDIA GPU, or Triton's interpreter (TRITON_INTERPRET=1)",
)


def _answers(compute: Callable[..., Tensor], up: Tensor, *inputs: Tensor) -> list[Tensor]:
    """What is computed, and the gradients of what went in, in fp64."""
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    y = compute(*leaves)
    y.backward(up.to(y.dtype))
    return [y.detach().double(), *[leaf.grad.double() for leaf in leaves if leaf.grad is not None]]


def _error(ours: list[Tensor], reference: list[Tensor]) -> float:
    return max(float((a - b).norm() / b.norm()) for a, b in zip(ours, reference, strict=True))


@needs_triton
@pytest.mark.parametrize("activates", [True, False])
@pytest.mark.parametrize("shape", [(2, 320, 7, 9), (1, 96, 33, 20), (1, 64, 64, 64)])
def test_a_norm_with_what_is_added_before_and_its_activation(shape: tuple[int, ...], activates: bool) -> None:
    norm = nn.GroupNorm(32, shape[1]).requires_grad_(False).to(DEVICE)
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(shape[1], generator=draw))
        norm.bias.copy_(torch.randn(shape[1], generator=draw))
    x, shift = 2 * torch.randn(shape, generator=draw) + 3, torch.randn(shape[:2], generator=draw)
    x, shift, up = x.to(DEVICE), shift.to(DEVICE), torch.randn(shape, generator=draw).to(DEVICE)
    exact = deepcopy(norm).double()

    def stock(x: Tensor, shift: Tensor) -> Tensor:
        y = exact(x + shift[:, :, None, None])
        return silu(y) if activates else y

    ours = _answers(lambda x, shift: fused_norm(norm, x, shift, activates=activates), up, x, shift)
    assert _error(ours, _answers(stock, up.double(), x.double(), shift.double())) < 1e-5


@needs_triton
def test_a_gate() -> None:
    both, up = torch.randn(3, 5, 2200, device=DEVICE), torch.randn(3, 5, 1100, device=DEVICE)

    def stock(both: Tensor) -> Tensor:
        value, gate = both.chunk(2, dim=-1)
        return value * gelu(gate)

    assert _error(_answers(fused_gate, up, both), _answers(stock, up.double(), both.double())) < 1e-6


@pytest.fixture
def unrounded() -> Iterator[None]:
    """No fp32 number is rounded on its way into a GPU's product."""
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = False
    yield
    products.allow_tf32, convolutions.allow_tf32 = before


@needs_triton
@pytest.mark.usefixtures("unrounded")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gradient_of_a_whole_unet(dtype: torch.dtype) -> None:
    unet = _unet(torch.float32).to(DEVICE)
    reference, stock_bytes = _gradient(unet, torch.float32, DEVICE)
    unet.to(dtype)
    freeze_operators(unet, "fused")
    fused, fused_bytes = _gradient(unet, dtype, DEVICE)
    assert float((fused.float() - reference).norm() / reference.norm()) < (1e-5 if dtype == torch.float32 else 5e-2)
    assert fused_bytes < 0.67 * stock_bytes


def test_where_there_are_none_nothing_is_fused() -> None:
    if DEVICE.type == "cpu" and os.environ.get("TRITON_INTERPRET") != "1":
        assert not can_fuse(DEVICE, torch.float32)
    else:
        assert can_fuse(DEVICE, torch.float32)
