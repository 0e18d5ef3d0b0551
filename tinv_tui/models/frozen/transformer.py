"""A frozen UNet's transformers, computed in fewer and larger steps than the library takes.

Queries, keys and values of the picture are one product; keys and values of the prompt are one product for the whole UNet,
made before its first block and handed to the blocks in place of the prompt; what is added to a picture goes into the norm
that follows it.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from tinv_tui.models.frozen.fused import norm_and_carry
from tinv_tui.models.frozen.fused_rows import add_norm
from tinv_tui.models.frozen.joined import join_linears


def are_common_transformers(unet: nn.Module) -> bool:
    """Whether all transformers of a UNet are those of every Stable Diffusion."""
    from diffusers.models.attention import BasicTransformerBlock
    from diffusers.models.attention_processor import Attention
    from diffusers.models.transformers.transformer_2d import Transformer2DModel

    blocks = [module for module in unet.modules() if isinstance(module, BasicTransformerBlock)]
    attentions = [module for module in unet.modules() if isinstance(module, Attention)]
    models: list[Any] = [module for module in unet.modules() if isinstance(module, Transformer2DModel)]
    return (
        getattr(unet, "encoder_hid_proj", None) is None
        and all(_is_common_block(block) for block in blocks)
        and len(attentions) == 2 * len(blocks)  # and none of another kind of block
        and all(model.is_input_continuous for model in models)
        and sum(len(model.transformer_blocks) for model in models) == len(blocks)
    )


def _is_common_block(block: Any) -> bool:
    return (
        block.norm_type == "layer_norm"
        and block.pos_embed is None
        and not block.only_cross_attention
        and block._chunk_size is None
        and all(
            type(norm) is nn.LayerNorm and norm.elementwise_affine for norm in (block.norm1, block.norm2, block.norm3)
        )
        and _is_common_attention(block.attn1)
        and not block.attn1.is_cross_attention
        and block.attn2 is not None
        and _is_common_attention(block.attn2)
    )


def _is_common_attention(attention: Any) -> bool:
    odd = (attention.spatial_norm, attention.group_norm, attention.norm_q, attention.norm_k, attention.norm_cross)
    return (
        all(part is None for part in odd)
        and attention.added_kv_proj_dim is None
        and not attention.residual_connection
        and attention.rescale_output_factor == 1
        and attention.inner_kv_dim == attention.inner_dim
        and attention.to_out[1].p == 0
    )


def fuse_transformers(unet: Any) -> None:
    """Put them in place of the stock ones, where :func:`are_common_transformers`; layers that are joined are gone."""
    from diffusers.models.attention import BasicTransformerBlock
    from diffusers.models.transformers.transformer_2d import Transformer2DModel

    crossings: list[Any] = []
    for module in list(unet.modules()):
        if isinstance(module, BasicTransformerBlock):
            module.forward = MethodType(_block, module)
            picture, prompt = module.attn1, module.attn2
            picture.to_qkv = _take(picture, "to_q", "to_k", "to_v")
            prompt.forward = MethodType(_attend_to_prompt, prompt)
            picture.forward = MethodType(_attend_to_picture, picture)
            prompt.place = len(crossings)
            crossings.append(prompt)
        elif isinstance(module, Transformer2DModel):
            module.forward = MethodType(_transform, module)
    widths = [width for crossing in crossings for width in (crossing.inner_kv_dim, crossing.inner_kv_dim)]
    if not crossings:
        return
    device = crossings[0].to_k.weight.device
    # By way of the host: they are half a gigabyte of SDXL, for which a GPU may have no room twice.
    layers = [layer.to("cpu") for crossing in crossings for layer in (crossing.to_k, crossing.to_v)]
    unet.of_prompt = join_linears(layers, layers[0].weight.dtype).to(device)
    for crossing in crossings:
        del crossing.to_k, crossing.to_v
    forward = unet.forward

    def with_keys_and_values(
        self: Any, sample: Tensor, timestep: Any, encoder_hidden_states: Tensor, *rest: Any, **named: Any
    ) -> Any:
        parts = self.of_prompt(encoder_hidden_states).split(widths, dim=-1)
        return forward(sample, timestep, list(zip(parts[::2], parts[1::2], strict=True)), *rest, **named)

    unet.forward = MethodType(with_keys_and_values, unet)


def _take(attention: Any, *names: str) -> nn.Linear:
    layers = [getattr(attention, name) for name in names]
    for name in names:
        delattr(attention, name)
    return join_linears(layers, layers[0].weight.dtype)


def _transform(
    self: Any,
    hidden_states: Tensor,
    encoder_hidden_states: list[tuple[Tensor, Tensor]],
    *_: object,
    return_dict: bool = False,
    **__: object,
) -> tuple[Tensor]:
    """A Transformer2DModel's forward."""
    assert not return_dict
    batch, _channels, height, width = hidden_states.shape
    normal, carried = norm_and_carry(self.norm, hidden_states, activates=False)
    if self.use_linear_projection:
        hidden = self.proj_in(normal.permute(0, 2, 3, 1).reshape(batch, height * width, -1))
    else:
        hidden = self.proj_in(normal).permute(0, 2, 3, 1).reshape(batch, height * width, -1)
    for block in self.transformer_blocks:
        if torch.is_grad_enabled() and self.gradient_checkpointing:
            hidden = self._gradient_checkpointing_func(block, hidden, encoder_hidden_states)
        else:
            hidden = block(hidden, encoder_hidden_states)
    if self.use_linear_projection:
        hidden = self.proj_out(hidden)
    hidden = hidden.reshape(batch, height, width, -1).permute(0, 3, 1, 2)
    return (carried + (hidden if self.use_linear_projection else self.proj_out(hidden)),)


def _block(self: Any, hidden: Tensor, prompt: list[tuple[Tensor, Tensor]]) -> Tensor:
    """A BasicTransformerBlock's forward."""
    hidden, normal = add_norm(self.norm1, hidden)
    hidden, normal = add_norm(self.norm2, hidden, self.attn1(normal))
    hidden, normal = add_norm(self.norm3, hidden, self.attn2(normal, prompt))
    answer: Tensor = self.ff(normal) + hidden
    return answer


def _attend_to_picture(self: Any, hidden: Tensor) -> Tensor:
    queries, keys, values = self.to_qkv(hidden).split(self.inner_dim, dim=-1)
    return _attend(self, queries, keys, values)


def _attend_to_prompt(self: Any, hidden: Tensor, prompt: list[tuple[Tensor, Tensor]]) -> Tensor:
    return _attend(self, self.to_q(hidden), *prompt[self.place])


def _attend(self: Any, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Of [b, positions, heads · width] each."""
    q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (queries, keys, values))
    answer = scaled_dot_product_attention(q, k, v)
    out: Tensor = self.to_out[0](answer.transpose(1, 2).flatten(2))
    return out
