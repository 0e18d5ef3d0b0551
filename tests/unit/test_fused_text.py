"""A text encoder's layers as Triton fuses them, by its interpreter where there is no GPU: what the library's come to."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from tests.unit.test_fused_operators import DEVICE, needs_triton, unrounded
from tinv_tui.models.frozen import fused_text
from tinv_tui.models.frozen.fused_text import fuse_text_encoder
from tinv_tui.models.frozen.text import hold_in_16_bits, hold_in_32_bits

pytestmark = [needs_triton, pytest.mark.usefixtures(unrounded.__name__), pytest.mark.timeout(600)]


def _encoder(activation: str) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=90,
        bos_token_id=0,
        eos_token_id=89,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=3,
        hidden_act=activation,
    )
    with torch.random.fork_rng():
        torch.manual_seed(4)
        encoder = CLIPTextModel(config)
        for weight in encoder.parameters():  # norms and biases begin as ones and zeros, which hides a mistake
            weight.data += 0.1 * torch.randn_like(weight)
    return encoder.requires_grad_(False).eval().to(DEVICE)


def _answers(encoder: CLIPTextModel, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """All hidden states, and the gradient of what the tokens are embedded as."""
    ids = torch.arange(2 * 77, device=DEVICE).view(2, 77) % 90
    rows: list[Tensor] = []

    def watch(_module: object, _inputs: object, embedded: Tensor) -> Tensor:
        rows.append(embedded.detach().to(dtype).requires_grad_())
        return rows[0]

    handle = encoder.get_input_embeddings().register_forward_hook(watch)
    output = encoder(ids, output_hidden_states=True)
    handle.remove()
    draw = torch.Generator().manual_seed(6)
    up = torch.randn(output.last_hidden_state.shape, generator=draw).to(DEVICE)
    (output.last_hidden_state * up).sum().backward()
    assert rows[0].grad is not None
    return [state.detach() for state in (*output.hidden_states, output.last_hidden_state)] + [rows[0].grad]


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_hidden_states_and_gradient_are_those_of_the_library(activation: str) -> None:
    encoder = _encoder(activation)
    exact = _answers(deepcopy(encoder).double(), torch.float64)
    stock = _answers(encoder)
    assert fuse_text_encoder(encoder) == ""
    assert not any("q_proj" in name for name, _ in encoder.named_parameters())
    ours = _answers(encoder)
    assert len(ours) == len(stock) == 5
    for one, two, three in zip(ours, stock, exact, strict=True):
        own, theirs = (float((answer - three).norm() / three.norm()) for answer in (one, two))
        assert own < max(2 * theirs, 1e-6)


@pytest.mark.parametrize("trouble", ["no room", "nonsense"])
def test_a_gpu_that_cannot_attend_in_one_program_does_as_torch(trouble: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def attend(joined: Tensor, heads: int) -> Tensor:
        if trouble == "no room":
            raise RuntimeError("out of resource: shared memory, Required: 163840, Hardware limit: 101376")
        return joined[..., : joined.shape[2] // 3]

    monkeypatch.setattr(fused_text, "causal_attention", attend)
    encoder = _encoder("quick_gelu")
    stock = _answers(encoder)
    told = fuse_text_encoder(encoder)
    assert told.startswith({"no room": "RuntimeError: out of resource", "nonsense": "it comes out otherwise"}[trouble])
    for ours, theirs in zip(_answers(encoder), stock, strict=True):
        assert float((ours - theirs).norm() / theirs.norm()) < 1e-5


def test_weights_can_be_held_in_16_bits_before_and_after() -> None:
    encoder = _encoder("quick_gelu")
    for weight in encoder.parameters():
        weight.data = weight.data.half().float()
    wide = _answers(deepcopy(encoder))
    hold_in_16_bits(encoder)
    fuse_text_encoder(encoder)
    narrow = _answers(encoder)
    held = {parameter.dtype for name, parameter in encoder.named_parameters() if "proj.weight" in name}
    assert held == {torch.float16}
    hold_in_32_bits(encoder)
    for one, two, three in zip(wide, narrow, _answers(encoder), strict=True):
        assert float((one - two).norm() / one.norm()) < 1e-6
        assert torch.equal(two, three)
