"""Puts the frozen operators into a UNet in place of the stock ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.frozen import Operators, suitable_operators
from tinv_tui.models.frozen.activations import gated_gelu, norm_silu
from tinv_tui.models.frozen.convolution import FrozenConv2d, is_plain, is_pointwise
from tinv_tui.models.frozen.fused import PointwiseConv2d, can_fuse, fused_gate, fused_norm
from tinv_tui.models.frozen.packed import PackedConv2d, can_pack

_TO_PICTURE = "_get_output_for_continuous_inputs"
"""Private to diffusers; where it has another name, it moves what need not be moved."""


def choose_operators(unet: nn.Module, base: BaseModel, device: torch.device) -> Operators:
    """Those that suit the model and the device, of those that this torch and this processor have."""
    held, memory = sum(weight.nbytes for weight in unet.parameters()), psutil.virtual_memory().total
    suitable = suitable_operators(held, memory, is_small=base.is_small, on_gpu=device.type != "cpu")
    dtype = next(unet.parameters()).dtype
    lacks = (suitable == "packed" and not can_pack(dtype)) or (suitable == "fused" and not can_fuse(device, dtype))
    return "frozen" if lacks else suitable


def freeze_operators(unet: nn.Module, operators: Operators) -> None:
    """Put the frozen operators in place of the stock ones of a UNet whose weights are frozen.

    The same bits come out, unless "packed", where convolutions add up in another order (about 1e-6 in fp32), or "fused",
    where as much is computed in fp32 before it is rounded.
    """
    from diffusers.models.activations import GEGLU
    from diffusers.models.resnet import ResnetBlock2D
    from diffusers.models.transformers.transformer_2d import Transformer2DModel

    if operators == "stock":
        return
    fuses = operators == "fused"
    for owner, name, convolution in list(_plain_convolutions(unet)):
        stand_in = PackedConv2d if operators == "packed" else FrozenConv2d
        owner.register_module(
            name, PointwiseConv2d(convolution) if fuses and is_pointwise(convolution) else stand_in(convolution)
        )
    for module in unet.modules():
        if isinstance(module, ResnetBlock2D) and _is_common(module):
            _bind(module, _fused_residual if fuses else _residual)
        elif type(module) is GEGLU:
            _bind(module, _fused_gate if fuses else _gate)
        elif fuses and type(module) is nn.GroupNorm:
            _bind(module, _fused_norm)
        elif fuses and isinstance(module, Transformer2DModel) and hasattr(module, _TO_PICTURE):
            setattr(module, _TO_PICTURE, MethodType(_to_picture, module))
    if fuses:
        unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _plain_convolutions(unet: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Conv2d]]:
    for owner in unet.modules():
        for name, child in owner.named_children():
            if isinstance(child, nn.Conv2d) and is_plain(child):
                yield owner, name, child


def _bind(module: Any, forward: Callable[..., Tensor]) -> None:
    module.forward = MethodType(forward, module)


def _is_common(block: Any) -> bool:
    """The residual block of every Stable Diffusion: nothing resampled inside, the time added, SiLU."""
    return (
        block.upsample is None
        and block.downsample is None
        and block.time_embedding_norm == "default"
        and isinstance(block.nonlinearity, nn.SiLU)
        and not block.skip_time_act
        and block.dropout.p == 0
    )


def _residual(self: Any, input_tensor: Tensor, temb: Tensor | None, *_: object, **__: object) -> Tensor:
    """A ResnetBlock2D's forward, order of operations kept."""
    hidden = self.conv1(norm_silu(self.norm1, input_tensor))
    if self.time_emb_proj is not None and temb is not None:
        hidden = hidden + self.time_emb_proj(self.nonlinearity(temb))[:, :, None, None]
    hidden = self.conv2(norm_silu(self.norm2, hidden))
    if self.conv_shortcut is not None:
        input_tensor = self.conv_shortcut(input_tensor)
    total: Tensor = (input_tensor + hidden) / self.output_scale_factor
    return total


def _gate(self: Any, hidden_states: Tensor, *_: object, **__: object) -> Tensor:
    return gated_gelu(self.proj(hidden_states))


def _fused_residual(self: Any, input_tensor: Tensor, temb: Tensor | None, *_: object, **__: object) -> Tensor:
    hidden = self.conv1.without_bias(fused_norm(self.norm1, input_tensor, activates=True))
    shift = self.conv1.bias.expand(len(hidden), -1)
    if self.time_emb_proj is not None and temb is not None:
        shift = shift + self.time_emb_proj(self.nonlinearity(temb))
    hidden = self.conv2(fused_norm(self.norm2, hidden, shift, activates=True))
    if self.conv_shortcut is not None:
        input_tensor = self.conv_shortcut(input_tensor)
    total: Tensor = input_tensor + hidden
    return total if self.output_scale_factor == 1 else total / self.output_scale_factor


def _fused_norm(self: nn.GroupNorm, x: Tensor) -> Tensor:
    return fused_norm(self, x, activates=False)


def _fused_gate(self: Any, hidden_states: Tensor, *_: object, **__: object) -> Tensor:
    return fused_gate(self.proj(hidden_states))


def _to_picture(
    self: Any, hidden_states: Tensor, residual: Tensor, batch_size: int, height: int, width: int, inner_dim: int
) -> Tensor:
    """A Transformer2DModel's way out, which need not move anything where channels lie last."""
    if self.use_linear_projection:
        hidden_states = self.proj_out(hidden_states)
    hidden = hidden_states.reshape(batch_size, height, width, inner_dim).permute(0, 3, 1, 2)
    return residual + (hidden if self.use_linear_projection else self.proj_out(hidden))
