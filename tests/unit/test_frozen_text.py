"""Text encoders whose weights are held in 16 bits: what they compute in fp32, to the bit, for half the memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from tinv_tui.models.frozen.text import hold_in_16_bits, hold_in_32_bits

WIDTH, POSITIONS = 32, 77


@pytest.fixture
def encoder() -> CLIPTextModelWithProjection:
    config = CLIPTextConfig(
        vocab_size=50,
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=16,
        bos_token_id=48,
        eos_token_id=49,
        initializer_factor=3.0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        made = CLIPTextModelWithProjection(config)
    return made.requires_grad_(False).eval()


def rounded(encoder: nn.Module, dtype: torch.dtype) -> None:
    for weight in encoder.parameters():
        weight.data = weight.data.to(dtype).float()


def computed(encoder: Any) -> tuple[Tensor, ...]:
    """Hidden states, the pooled output, and the gradient of what is put in the place of tokens, as training puts it."""
    rows = torch.randn(2, POSITIONS, WIDTH, generator=torch.Generator().manual_seed(1)).requires_grad_()
    hook = encoder.get_input_embeddings().register_forward_hook(lambda _module, _inputs, read: read + rows)
    ids = torch.arange(2 * POSITIONS).view(2, POSITIONS) % 50
    answer = encoder(ids, output_hidden_states=True)
    hook.remove()
    (answer.hidden_states[-2].square().sum() + answer.text_embeds.square().sum()).backward()
    assert rows.grad is not None
    return answer.hidden_states[-2].detach(), answer.text_embeds.detach(), rows.grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_of_16_bit_files_compute_the_same_bits(
    dtype: torch.dtype, encoder: CLIPTextModelWithProjection
) -> None:
    rounded(encoder, dtype)
    wide = computed(encoder)
    hold_in_16_bits(encoder)
    assert all(map(torch.equal, computed(encoder), wide))


def test_other_weights_are_rounded(encoder: CLIPTextModelWithProjection) -> None:
    wide = computed(encoder)
    hold_in_16_bits(encoder)
    for ours, theirs in zip(computed(encoder), wide, strict=True):
        assert 0 < float((ours - theirs).norm() / theirs.norm()) < 1e-2


def test_nothing_wide_is_kept_for_the_way_back(encoder: CLIPTextModelWithProjection) -> None:
    def kept_weights(encode: Callable[[Any], object]) -> int:
        held = dict[int, int]()
        weights = {weight.untyped_storage().data_ptr() for weight in encoder.parameters()}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                held[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            encode(encoder)
        return sum(held.values())

    rounded(encoder, torch.float16)
    wide = kept_weights(computed)
    layers = [module for module in encoder.modules() if isinstance(module, nn.Linear)]
    before = sum(layer.weight.nbytes for layer in layers)
    hold_in_16_bits(encoder)
    assert kept_weights(computed) <= wide
    assert sum(layer.weight.nbytes for layer in layers) == before / 2


def test_it_can_be_undone_and_hooks_stay(encoder: CLIPTextModelWithProjection) -> None:
    rounded(encoder, torch.float16)
    before = {name: weight.clone() for name, weight in encoder.state_dict().items()}
    calls = list[int]()
    encoder.get_input_embeddings().register_forward_hook(lambda *_: calls.append(1))
    hold_in_16_bits(encoder)
    hold_in_16_bits(encoder)
    computed(encoder)
    hold_in_32_bits(encoder)
    hold_in_32_bits(encoder)
    computed(encoder)
    after = encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert len(calls) == 2


def test_weights_beyond_fp16_keep_their_size() -> None:
    layer = nn.Linear(2, 1).requires_grad_(False)
    layer.weight.copy_(torch.tensor([[1e6, 1.0 + 2**-12]]))
    hold_in_16_bits(layer)
    assert bool(torch.isfinite(layer.weight).all())
