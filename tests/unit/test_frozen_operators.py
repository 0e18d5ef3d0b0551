"""The stand-ins for a frozen UNet's operators: the same gradients, and less kept for the way back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from tinv_tui.models.frozen.activations import gated_gelu, norm_silu
from tinv_tui.models.frozen.convolution import FrozenConv2d, is_plain
from tinv_tui.models.frozen.packed import PackedConv2d, PackedLinear, can_pack, pack_linears
from tinv_tui.models.frozen.unet import freeze_operators

packs = pytest.mark.skipif(not can_pack(torch.float32), reason="this torch or processor packs no weights")
FORMATS = [torch.float32, torch.bfloat16]
CPU = torch.device("cpu")


def _unet(dtype: torch.dtype) -> UNet2DConditionModel:
    """Every kind of block a Stable Diffusion has, at toy width."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        unet = UNet2DConditionModel(
            block_out_channels=(32, 64),
            layers_per_block=2,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=24,
            attention_head_dim=8,
        )
    return unet.to(dtype).requires_grad_(False).eval()


def _gradient(unet: UNet2DConditionModel, dtype: torch.dtype, device: torch.device = CPU) -> tuple[Tensor, int]:
    """Of the prompt's states, and the bytes kept for it beside the weights."""
    draw = torch.Generator().manual_seed(5)
    noisy = torch.randn(2, 4, 8, 12, generator=draw).to(device, dtype)
    context = torch.randn(2, 7, 24, generator=draw).to(device, dtype).requires_grad_()
    weights = {p.untyped_storage().data_ptr() for p in unet.parameters()}
    held: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        held.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        answer = unet(noisy, torch.tensor([5, 700], device=device), context, return_dict=False)[0]
    kept = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in held}
    answer.float().square().mean().backward()
    assert context.grad is not None
    return context.grad, sum(size for at, size in kept.items() if at not in weights)


def _same_backward(stock: Callable[[Tensor], Tensor], ours: Callable[[Tensor], Tensor], x: Tensor) -> None:
    gradients = []
    for compute in (stock, ours):
        leaf = x.clone().requires_grad_()
        y = compute(leaf)
        y.float().square().sum().backward()
        gradients.append((y.detach(), leaf.grad))
    assert torch.equal(gradients[0][0], gradients[1][0])
    assert torch.equal(gradients[0][1], gradients[1][1])


@pytest.mark.parametrize("dtype", FORMATS)
def test_gradients_keep_their_bits_and_a_third_less_is_kept(dtype: torch.dtype) -> None:
    unet = _unet(dtype)
    stock, stock_bytes = _gradient(unet, dtype)
    freeze_operators(unet, "frozen")
    frozen, frozen_bytes = _gradient(unet, dtype)
    assert torch.equal(stock, frozen)
    assert frozen_bytes < 0.67 * stock_bytes


@packs
def test_packed_weights_are_added_up_in_another_order_and_come_to_the_same() -> None:
    unet = _unet(torch.float32)
    stock, _ = _gradient(unet, torch.float32)
    freeze_operators(unet, "packed")
    packed, _ = _gradient(unet, torch.float32)
    assert float((packed - stock).norm() / stock.norm()) < 1e-5


def test_weights_are_as_they_were() -> None:
    unet = _unet(torch.float32)
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    freeze_operators(unet, "frozen")
    _gradient(unet, torch.float32)
    after = unet.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (3, 2, 0), (1, 1, 0)])
def test_a_convolution_of_any_kind_used(kernel: int, stride: int, padding: int) -> None:
    convolution = nn.Conv2d(6, 10, kernel, stride, padding).requires_grad_(False)
    x = torch.randn(2, 6, 9, 11)
    _same_backward(convolution, FrozenConv2d(convolution), x)
    if can_pack(torch.float32):
        packed = PackedConv2d(convolution)
        for size in (x, x[:1, :, :5]):  # packed for the first size, right for any
            leaves = [size.clone().requires_grad_() for _ in range(2)]
            for leaf, compute in zip(leaves, (convolution, packed), strict=True):
                compute(leaf).square().sum().backward()
            torch.testing.assert_close(leaves[0].grad, leaves[1].grad)


@packs
@pytest.mark.parametrize("bias", [True, False], ids=["bias", ""])
def test_a_packed_linear_layer_is_right_for_any_number_of_rows(bias: bool) -> None:
    layer = nn.Linear(6, 10, bias=bias).requires_grad_(False)
    packed = PackedLinear(layer, torch.float32)
    for rows in (torch.randn(2, 7, 6), torch.randn(3, 6), torch.randn(6)):
        leaves = [rows.clone().requires_grad_() for _ in range(2)]
        answers = [compute(leaf) for leaf, compute in zip(leaves, (layer, packed), strict=True)]
        torch.testing.assert_close(*answers)
        torch.testing.assert_close(packed(rows), answers[0].detach())
        for answer in answers:
            answer.square().sum().backward()
        torch.testing.assert_close(leaves[0].grad, leaves[1].grad)


@pytest.mark.skipif(not can_pack(torch.bfloat16), reason="this torch or processor packs no bf16")
def test_a_text_encoder_on_packed_bf16_gives_fp32_and_a_gradient_that_points_the_same_way() -> None:
    torch.manual_seed(4)
    sizes = {"hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 4, "num_hidden_layers": 4}
    encoder = CLIPTextModel(CLIPTextConfig(vocab_size=50, **sizes)).requires_grad_(False).eval()
    rows = torch.randn(1, 77, 64) * 0.02

    def gradient() -> tuple[Tensor, torch.dtype]:
        leaf = rows.clone().requires_grad_()
        hook = encoder.get_input_embeddings().register_forward_hook(lambda *_: leaf)
        answer = encoder(torch.zeros(1, 77, dtype=torch.long)).last_hidden_state
        hook.remove()
        (answer * torch.linspace(-1, 1, 64)).square().sum().backward()
        assert leaf.grad is not None
        return leaf.grad.flatten(), answer.dtype

    plain, _ = gradient()
    pack_linears(encoder, torch.bfloat16)
    packed, dtype = gradient()
    assert dtype == encoder.encoder.layers[0].mlp.fc1(torch.zeros(1, 64)).dtype == torch.float32
    assert not torch.equal(packed, plain)
    assert float(nn.functional.cosine_similarity(packed, plain, dim=0)) > 0.999


@packs
def test_a_linear_layer_that_learns_is_not_packed() -> None:
    both = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4).requires_grad_(False))
    pack_linears(both, torch.float32)
    assert [type(layer) for layer in both] == [nn.Linear, PackedLinear]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", FORMATS)
def test_norm_and_silu(dtype: torch.dtype, layout: torch.memory_format) -> None:
    norm = nn.GroupNorm(4, 8).requires_grad_(False).to(dtype)
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
    x = torch.randn(2, 8, 5, 7).to(dtype).to(memory_format=layout)
    _same_backward(lambda t: nn.functional.silu(norm(t)), lambda t: norm_silu(norm, t), x)


@pytest.mark.parametrize("dtype", FORMATS)
def test_gate(dtype: torch.dtype) -> None:
    def stock(both: Tensor) -> Tensor:
        value, gate = both.chunk(2, dim=-1)
        return value * nn.functional.gelu(gate)

    _same_backward(stock, gated_gelu, torch.randn(3, 5, 12).to(dtype))


def test_what_learns_is_left_alone() -> None:
    assert not is_plain(nn.Conv2d(4, 4, 3))
    assert not is_plain(nn.Conv2d(4, 4, 3, groups=2).requires_grad_(False))
    assert not is_plain(nn.Conv2d(4, 4, 3, padding="same").requires_grad_(False))
    assert is_plain(nn.Conv2d(4, 4, 3).requires_grad_(False))
