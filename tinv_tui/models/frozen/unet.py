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
from tinv_tui.models.frozen.fused import PointwiseConv2d, fused_gate
from tinv_tui.models.frozen.packed import PackedConv2d, can_pack, pack_linears
from tinv_tui.models.frozen.residuals import are_common_residuals, fuse_residuals, is_common_residual
from tinv_tui.models.frozen.transformer import are_common_transformers, fuse_transformers
from tinv_tui.models.frozen.trial import why_not_fused


def choose_operators(unet: nn.Module, base: BaseModel, device: torch.device) -> tuple[Operators, str]:
    """Those that suit the model and the device, of those that this torch and this processor have; and why no faster ones."""
    held, memory = sum(weight.nbytes for weight in unet.parameters()), psutil.virtual_memory().total
    suitable = suitable_operators(held, memory, is_small=base.is_small, on_gpu=device.type != "cpu")
    dtype, trouble = next(unet.parameters()).dtype, ""
    if suitable == "packed" and not can_pack(dtype):
        trouble = "not packed: this torch packs no weights of such numbers"
    elif suitable == "fused":
        odd = "" if can_be_fused(unet) else "a UNet that is built otherwise than Stable Diffusion's"
        reason = odd or why_not_fused(device, dtype)
        trouble = f"not fused, which is slower: {reason}" if reason else ""
    return ("frozen", trouble) if trouble else (suitable, "")


def freeze_operators(unet: nn.Module, operators: Operators) -> None:
    """Put the frozen operators in place of the stock ones of a UNet whose weights are frozen.

    The same bits come out, unless "packed", where sums are made in another order (about 1e-6 in fp32), or "fused",
    where as much is computed in fp32 before it is rounded. A UNet that is built otherwise than Stable Diffusion's is "frozen"
    where it should be "fused".
    """
    from diffusers.models.activations import GEGLU
    from diffusers.models.resnet import ResnetBlock2D

    if operators == "stock":
        return
    fuses = operators == "fused" and can_be_fused(unet)
    for owner, name, convolution in list(_plain_convolutions(unet)):
        stand_in = PackedConv2d if operators == "packed" else FrozenConv2d
        owner.register_module(
            name, PointwiseConv2d(convolution) if fuses and is_pointwise(convolution) else stand_in(convolution)
        )
    if operators == "packed":
        pack_linears(unet, next(unet.parameters()).dtype)
    if fuses:
        fuse_residuals(unet)
        fuse_transformers(unet)
    for module in unet.modules():
        if type(module) is GEGLU:
            _bind(module, _fused_gate if fuses else _gate)
        elif isinstance(module, ResnetBlock2D) and is_common_residual(module) and not fuses:
            _bind(module, _residual)
    if fuses:
        unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def can_be_fused(unet: nn.Module) -> bool:
    """Whether a UNet is built as Stable Diffusion's are."""
    return are_common_residuals(unet) and are_common_transformers(unet)


def _plain_convolutions(unet: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Conv2d]]:
    for owner in unet.modules():
        for name, child in owner.named_children():
            if isinstance(child, nn.Conv2d) and is_plain(child):
                yield owner, name, child


def _bind(module: Any, forward: Callable[..., Tensor]) -> None:
    module.forward = MethodType(forward, module)


def _residual(self: Any, input_tensor: Tensor, temb: Tensor | None, *_: object, **__: object) -> Tensor:
    """A ResnetBlock2D's forward, order of operations kept."""
    hidden = self.conv1(norm_silu(self.norm1, input_tensor))
    if self.time_emb_proj is not None and temb is not None:
        hidden = hidden + self.time_emb_proj(self.nonlinearity(temb))[:, :, None, None]
    hidden = self.conv2(norm_silu(self.norm2, hidden))
    if self.conv_shortcut is not None:
        input_tensor = self.conv_shortcut(input_tensor)
    total: Tensor = input_tensor + hidden
    return total if self.output_scale_factor == 1 else total / self.output_scale_factor


def _gate(self: Any, hidden_states: Tensor, *_: object, **__: object) -> Tensor:
    return gated_gelu(self.proj(hidden_states))


def _fused_gate(self: Any, hidden_states: Tensor, *_: object, **__: object) -> Tensor:
    return fused_gate(self.proj(hidden_states))
