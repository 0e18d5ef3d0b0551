"""The operators that Triton fuses, by its interpreter where there is no GPU: what torch's operators come to."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, silu

from tests.unit.test_frozen_operators import _gradient, _unet
from tinv_tui.models.frozen import trial
from tinv_tui.models.frozen.convolution import FrozenConv2d
from tinv_tui.models.frozen.fused import fused_gate, fused_norm, norm_and_carry
from tinv_tui.models.frozen.fused_rows import add_norm, fused_quick_gelu, join
from tinv_tui.models.frozen.trial import why_not_fused
from tinv_tui.models.frozen.unet import can_be_fused, choose_operators, freeze_operators

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
def test_what_goes_past_a_norm_is_added_on_the_way_back() -> None:
    norm = nn.GroupNorm(4, 8).requires_grad_(False).to(DEVICE)
    x, up = (2 * torch.randn(2, 8, 30, 17, device=DEVICE) for _ in range(2))
    exact = deepcopy(norm).double()

    def ours(x: Tensor) -> Tensor:
        y, carried = norm_and_carry(norm, x, activates=True)
        return y + 3 * carried

    stock = _answers(lambda x: silu(exact(x)) + 3 * x, up.double(), x.double())
    assert _error(_answers(ours, up, x), stock) < 1e-5


@needs_triton
@pytest.mark.parametrize("width", [40, 1100])
def test_a_sum_and_its_layer_norm(width: int) -> None:
    norm = nn.LayerNorm(width).requires_grad_(False).to(DEVICE)
    with torch.no_grad():
        norm.weight += torch.randn(width, device=DEVICE)
        norm.bias += torch.randn(width, device=DEVICE)
    x, plus, up = (torch.randn(2, 33, width, device=DEVICE) + 2 for _ in range(3))
    exact = deepcopy(norm).double()

    def ours(x: Tensor, plus: Tensor) -> Tensor:
        total, y = add_norm(norm, x, plus)
        return total * 2 + y

    def stock(x: Tensor, plus: Tensor) -> Tensor:
        return (x + plus) * 2 + exact(x + plus)

    reference = _answers(stock, up.double(), x.double(), plus.double())
    assert _error(_answers(ours, up, x, plus), reference) < 1e-5
    alone = _answers(lambda x: add_norm(norm, x)[1], up, x)
    assert _error(alone, _answers(exact, up.double(), x.double())) < 1e-5


@needs_triton
def test_a_sum_with_a_bias_and_a_quick_gelu() -> None:
    x, hidden, up = (torch.randn(2, 24, 7, 9, device=DEVICE) for _ in range(3))
    bias = torch.randn(24, device=DEVICE)
    ours = _answers(lambda x, hidden: join(x, hidden, bias), up, x, hidden)
    stock = _answers(
        lambda x, hidden: x + hidden + bias.double()[:, None, None], up.double(), x.double(), hidden.double()
    )
    assert _error(ours, stock) < 1e-6
    ours = _answers(fused_quick_gelu, up, 3 * x)
    assert _error(ours, _answers(lambda x: x * (1.702 * x).sigmoid(), up.double(), 3 * x.double())) < 1e-6


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
@pytest.mark.timeout(600)
@pytest.mark.parametrize("checkpoints", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gradient_of_a_whole_unet(dtype: torch.dtype, checkpoints: bool) -> None:
    unet = _unet(torch.float32).to(DEVICE)
    reference, stock_bytes = _gradient(unet, torch.float32, DEVICE)
    unet.to(dtype)
    freeze_operators(unet, "fused")
    weights = sum(parameter.numel() for parameter in unet.parameters())
    assert weights == sum(parameter.numel() for parameter in _unet(dtype).parameters())
    if checkpoints:
        unet.enable_gradient_checkpointing()
    fused, fused_bytes = _gradient(unet, dtype, DEVICE)
    assert float((fused.float() - reference).norm() / reference.norm()) < (1e-5 if dtype == torch.float32 else 5e-2)
    assert fused_bytes < 0.67 * stock_bytes


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_they_are_tried_and_where_there_are_none_nothing_is_fused(dtype: torch.dtype) -> None:
    there_are = DEVICE.type == "cuda" or os.environ.get("TRITON_INTERPRET") == "1"
    assert (why_not_fused(DEVICE, dtype) == "") == there_are


@needs_triton
def test_an_operator_that_comes_out_otherwise_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "fused_gate", lambda both: both[:, : both.shape[1] // 2])
    assert why_not_fused(DEVICE, torch.bfloat16) == "a gate comes out otherwise than torch's own"


def test_why_nothing_is_fused_is_told_where_it_would_suit(monkeypatch: pytest.MonkeyPatch) -> None:
    large: Any = SimpleNamespace(is_small=False)
    gpu = torch.device("meta")  # no processor, that is
    unet: Any = _unet(torch.float32)
    chosen, told = choose_operators(unet, large, gpu)
    assert chosen == "frozen"
    assert told.startswith("not fused, which is slower: ")
    assert len(told) > 40
    monkeypatch.setattr("tinv_tui.models.frozen.unet.why_not_fused", lambda *_: "")
    assert choose_operators(unet, large, gpu) == ("fused", "")
    unet.time_embed_act = nn.SiLU()
    assert "built otherwise" in choose_operators(unet, large, gpu)[1]


def test_a_unet_built_otherwise_is_not_fused() -> None:
    assert can_be_fused(_unet(torch.float32))
    odd = _unet(torch.float32)
    odd.time_embed_act = nn.SiLU()
    assert not can_be_fused(odd)
    odd = _unet(torch.float32)
    odd.mid_block.attentions[0].transformer_blocks[0].attn2.rescale_output_factor = 2.0
    assert not can_be_fused(odd)
    freeze_operators(odd, "fused")  # frozen, that is
    assert any(isinstance(module, FrozenConv2d) for module in odd.modules())
    assert _gradient(odd, torch.float32)[0].isfinite().all()
