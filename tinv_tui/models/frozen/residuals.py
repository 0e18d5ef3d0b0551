"""A frozen UNet's residual blocks, computed in fewer steps than the library takes.

What the time adds to each of them is one product for the whole UNet, made before its first block and handed to the blocks
in place of the time; biases of convolutions go into what follows these.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import silu

from tinv_tui.models.frozen.fused import fused_norm, norm_and_carry
from tinv_tui.models.frozen.fused_rows import join
from tinv_tui.models.frozen.joined import join_linears


def is_common_residual(block: Any) -> bool:
    """Whether it is the residual block of every Stable Diffusion: nothing resampled inside, the time added, SiLU."""
    return (
        block.upsample is None
        and block.downsample is None
        and block.time_embedding_norm == "default"
        and isinstance(block.nonlinearity, nn.SiLU)
        and not block.skip_time_act
        and block.dropout.p == 0
    )


def are_common_residuals(unet: Any) -> bool:
    """Whether all residual blocks of a UNet can be fused, and nothing else is done to the time on its way to them."""
    blocks = _blocks(unet)
    return (
        unet.time_embed_act is None
        and isinstance(unet.conv_norm_out, nn.GroupNorm)
        and isinstance(unet.conv_act, nn.SiLU)
        and all(is_common_residual(block) for block in blocks)
        and all(block.time_emb_proj is not None and block.output_scale_factor == 1 for block in blocks)
    )


def fuse_residuals(unet: Any) -> None:
    """Fuse the blocks of a UNet that :func:`are_common_residuals` says yes to, its convolutions frozen already."""
    blocks = _blocks(unet)
    layers = []
    for place, block in enumerate(blocks):
        layer = block.time_emb_proj
        layer.bias.data = layer.bias.data + block.conv1.bias  # which is added in the same place
        layers.append(layer)
        block.time_emb_proj = None
        block.place = place
        block.forward = MethodType(_residual, block)
    unet.of_time = join_linears(layers, layers[0].weight.dtype)
    widths = [layer.out_features for layer in layers]

    def shifts(emb: Tensor) -> tuple[Tensor, ...]:
        split: tuple[Tensor, ...] = unet.of_time(silu(emb)).split(widths, dim=-1)
        return split

    unet.time_embed_act = shifts  # the last that the library does to the time
    unet.conv_norm_out.forward = MethodType(_norm_and_activate, unet.conv_norm_out)
    unet.conv_act = nn.Identity()


def _blocks(unet: nn.Module) -> list[Any]:
    from diffusers.models.resnet import ResnetBlock2D

    return [module for module in unet.modules() if isinstance(module, ResnetBlock2D)]


def _residual(self: Any, picture: Tensor, shifts: tuple[Tensor, ...]) -> Tensor:
    """A ResnetBlock2D's forward."""
    normal, carried = norm_and_carry(self.norm1, picture, activates=True)
    hidden = self.conv1.without_bias(normal)
    hidden = self.conv2.without_bias(fused_norm(self.norm2, hidden, shifts[self.place], activates=True))
    return join(carried if self.conv_shortcut is None else self.conv_shortcut(carried), hidden, self.conv2.bias)


def _norm_and_activate(self: nn.GroupNorm, x: Tensor) -> Tensor:
    return fused_norm(self, x, activates=True)
