"""A frozen CLIP text encoder's layers in few kernels of a GPU: in a step for one picture they cost their calls, not their sums.

What each computes stays in fp32, or in what of it torch's products are allowed to round (TF32).
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import scaled_dot_product_attention

from tinv_tui.errors import in_one_line
from tinv_tui.models.frozen.fused import power_of_two
from tinv_tui.models.frozen.fused_rows import add_norm, fused_quick_gelu
from tinv_tui.models.frozen.joined import join_linears
from tinv_tui.models.frozen.text import hold_in_16_bits
from tinv_tui.models.frozen.trial import agree

_LONGEST, _NARROWEST = 128, 16
"""Positions that one program of a GPU attends among, of which a prompt has 77; numbers of a head that it multiplies."""


class _Attend(torch.autograd.Function):
    """Keeps what goes in."""

    @staticmethod
    def forward(ctx: Any, joined: Tensor, heads: int) -> Tensor:
        from tinv_tui.models.frozen import attention_kernels

        ctx.save_for_backward(joined)
        ctx.heads = heads
        grid, numbers, words = _shape_of(joined, heads)
        y = joined.new_empty(*joined.shape[:2], joined.shape[2] // 3)
        attention_kernels.attend[grid](joined, y, *numbers, **words)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        from tinv_tui.models.frozen import attention_kernels

        (joined,) = ctx.saved_tensors
        y = torch.empty_like(joined)
        grid, numbers, words = _shape_of(joined, ctx.heads)
        attention_kernels.attend_back[grid](joined, grad.contiguous(), y, *numbers, **words)
        return y, None


def _shape_of(joined: Tensor, heads: int) -> tuple[tuple[int], tuple[int, int, float], dict[str, Any]]:
    prompts, positions, width = joined.shape
    own = width // 3 // heads
    rounds = torch.backends.cuda.matmul.allow_tf32
    words = {"N": power_of_two(positions), "D": own, "PRECISION": "tf32" if rounds else "ieee", "num_warps": 8}
    return (prompts * heads,), (positions, heads, own**-0.5), words


def causal_attention(joined: Tensor, heads: int) -> Tensor:
    """Of queries, keys and values side by side, fp32 [prompts, positions, 3 · width]; [prompts, positions, width]."""
    y: Tensor = _Attend.apply(joined.contiguous(), heads)  # type: ignore[no-untyped-call]
    return y


def _torchs_attention(joined: Tensor, heads: int) -> Tensor:
    q, k, v = joined.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    return scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)


def _why_not_attend(positions: int, width: int, heads: int, device: torch.device) -> str:
    """Empty where one program can attend among all positions, which takes more shared memory than some GPUs have. Tried."""
    own = width // heads
    if positions > _LONGEST or own != power_of_two(own) or own < _NARROWEST:
        return f"{positions} positions and heads of {own} suit no program"
    try:
        joined = torch.linspace(-40, 40, positions * 3 * width, device=device).sin().view(1, positions, 3 * width)
        is_right = agree(lambda x: causal_attention(x, heads), lambda x: _torchs_attention(x, heads), joined)
    except Exception as error:  # noqa: BLE001  whatever a compiler or a driver has against it: torch's own does as well
        return in_one_line(error)
    return "" if is_right else "it comes out otherwise"


def fuse_text_encoder(encoder: nn.Module) -> str:
    """Put the fused operators into the layers of a CLIP text encoder in place; layers that are joined are gone from it.

    The answer says why its attention is torch's own, and is empty where it is not.
    """
    import transformers
    from transformers.activations import QuickGELUActivation
    from transformers.models.clip.modeling_clip import CLIPEncoderLayer

    forward = _layer if int(transformers.__version__.partition(".")[0]) >= 5 else _layer_of_4
    layers = [module for module in encoder.modules() if isinstance(module, CLIPEncoderLayer)]
    if not layers:
        return ""
    config, own = layers[0].self_attn.config, layers[0].layer_norm1.weight
    trouble = _why_not_attend(config.max_position_embeddings, own.shape[0], config.num_attention_heads, own.device)
    for layer in layers:
        attention: Any = layer.self_attn
        attention.attend = _torchs_attention if trouble else causal_attention
        projections = [attention.q_proj, attention.k_proj, attention.v_proj]
        attention.qkv_proj = join_linears(projections, torch.float32)
        if projections[0].weight.dtype != torch.float32:
            hold_in_16_bits(attention.qkv_proj)
        del attention.q_proj, attention.k_proj, attention.v_proj
        layer.forward = MethodType(forward, layer)
        if isinstance(layer.mlp.activation_fn, QuickGELUActivation):
            layer.mlp.activation_fn.forward = fused_quick_gelu
    return trouble


def _layer(self: Any, hidden_states: Tensor, *_: object, **__: object) -> Tensor:
    """A CLIPEncoderLayer's forward; each position sees those before it."""
    hidden, normal = add_norm(self.layer_norm1, hidden_states)
    attended = self.self_attn.attend(self.self_attn.qkv_proj(normal), self.self_attn.num_heads)
    hidden, normal = add_norm(self.layer_norm2, hidden, self.self_attn.out_proj(attended))
    answer: Tensor = hidden + self.mlp(normal)
    return answer


def _layer_of_4(self: Any, hidden_states: Tensor, *_: object, **__: object) -> tuple[Tensor]:
    """As transformers before 5 has it."""
    return (_layer(self, hidden_states),)
