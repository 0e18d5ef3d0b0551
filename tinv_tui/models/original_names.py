"""What each weight of a diffusers module is called in the original layout ("LDM"), behind the part's prefix.

The names are those of CompVis', Stability's and OpenCLIP's checkpoints. A weight that has had more than one name, or whose
name depends on what stands beside it, has several candidates: the one that a file holds is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Where a weight comes from: a tensor, or some of its rows."""

    name: str
    third: int | None = None
    """0, 1 or 2: the first, second or last third of the rows, where query, key and value are one tensor."""
    turned: bool = False
    """Whether rows and columns change places."""


Sources = Callable[[str], Iterator[Source]]
"""The candidates for a weight of a module, best first."""

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_UNET = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
"""What diffusers called them at first; published folders still do."""
_OPENCLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_OPENCLIP_ENDS = {
    "embeddings.token_embedding.weight": Source("token_embedding.weight"),
    "embeddings.position_embedding.weight": Source("positional_embedding"),
    "final_layer_norm.weight": Source("ln_final.weight"),
    "final_layer_norm.bias": Source("ln_final.bias"),
    "text_projection.weight": Source("text_projection", turned=True),
}


def unet_sources(weights: Iterable[str]) -> Sources:
    """For a UNet with these weights: there, levels become one row of input blocks and one of output blocks."""
    names = list(weights)
    down, up = _first_blocks(names, "down", 1), _first_blocks(names, "up", 0)

    def sources(name: str) -> Iterator[Source]:
        module, _, kind = name.rpartition(".")
        if module in _UNET:
            yield Source(f"{_UNET[module]}.{kind}")
        elif part := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)", name):
            at = 1 if part[1] == "attentions" else 2 * int(part[2])
            yield Source(f"middle_block.{at}.{_in_block(part[1], part[3])}")
        elif part := re.fullmatch(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.+)", name):
            first, row = (down, "input_blocks") if part[1] == "down" else (up, "output_blocks")
            behind = 1 if part[3] == "attentions" else 0
            yield Source(f"{row}.{first[int(part[2])] + int(part[4])}.{behind}.{_in_block(part[3], part[5])}")
        elif part := re.fullmatch(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.(.+)", name):
            yield Source(f"input_blocks.{down[int(part[1]) + 1] - 1}.0.op.{part[2]}")
        elif part := re.fullmatch(r"up_blocks\.(\d+)\.upsamplers\.0\.conv\.(.+)", name):
            for place in (2, 1):  # behind the attention, where the level has one
                yield Source(f"output_blocks.{up[int(part[1]) + 1] - 1}.{place}.conv.{part[2]}")
        else:
            yield Source(name)  # in neither layout: it will be missing under this name

    return sources


def _first_blocks(names: Iterable[str], side: str, first: int) -> list[int]:
    """Number of the first block of each level, and of the one behind the last; a downsampler is a block of its own."""
    pattern = re.compile(rf"{side}_blocks\.(\d+)\.(resnets\.\d+|downsamplers\.0)\.")
    blocks = {(int(match[1]), match[2]) for name in names if (match := pattern.match(name))}
    found = [first]
    for level in range(1 + max((level for level, _ in blocks), default=-1)):
        found.append(found[-1] + sum(at == level for at, _ in blocks))
    return found


def _in_block(what: str, rest: str) -> str:
    module, _, kind = rest.rpartition(".")
    return f"{_RESNET.get(module, module)}.{kind}" if what == "resnets" else rest


def vae_sources(weights: Iterable[str]) -> Sources:
    """For a VAE with these weights: there, the decoder's levels are counted from the other end."""
    levels = 1 + max((int(m[1]) for n in weights if (m := re.match(r"decoder\.up_blocks\.(\d+)\.", n))), default=0)

    def sources(name: str) -> Iterator[Source]:
        new = name
        if part := re.fullmatch(r"(encoder|decoder)\.(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", name):
            level = int(part[3]) if part[2] == "down" else levels - 1 - int(part[3])
            inside = f"block.{part[5]}" if part[4] == "resnets" else f"{part[2]}sample"
            new = f"{part[1]}.{part[2]}.{level}.{inside}.{part[6]}"
        elif part := re.fullmatch(r"(\w+)\.mid_block\.resnets\.(\d+)\.(.+)", name):
            new = f"{part[1]}.mid.block_{int(part[2]) + 1}.{part[3]}"
        elif part := re.fullmatch(r"(\w+)\.mid_block\.attentions\.0\.(.+)\.(\w+)", name):
            new = f"{part[1]}.mid.attn_1.{_VAE_ATTENTION[part[2]]}.{part[3]}"
        yield Source(new.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out"))

    return sources


def text_sources(name: str) -> Iterator[Source]:
    """For a text encoder, OpenAI's (which keeps transformers' names) or OpenCLIP's."""
    inner = name.removeprefix("text_model.")
    yield Source(f"text_model.{inner}")
    if part := re.fullmatch(r"encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\.(\w+)", inner):
        yield Source(f"transformer.resblocks.{part[1]}.attn.in_proj_{part[3]}", third="qkv".index(part[2]))
    elif part := re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)\.(\w+)", inner):
        yield Source(f"transformer.resblocks.{part[1]}.{_OPENCLIP[part[2]]}.{part[3]}")
    else:
        yield _OPENCLIP_ENDS[inner]


def folder_sources(name: str) -> Iterator[Source]:
    """For a part of a diffusers folder, as today's and earlier versions of diffusers and transformers wrote it."""
    yield Source(name)
    yield Source(name.removeprefix("text_model.") if name.startswith("text_model.") else f"text_model.{name}")
    part = re.fullmatch(r"(\w+\.mid_block\.attentions\.\d+)\.(.+)\.(\w+)", name)
    if part and part[2] in _OLD_ATTENTION:
        yield Source(f"{part[1]}.{_OLD_ATTENTION[part[2]]}.{part[3]}")
