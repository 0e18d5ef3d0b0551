"""The configuration of each part of a base model, told from the shapes of its tensors in the original layout.

Nothing is assumed to be as in the published models, so that cut-down and narrow models of a family come out right. What
shapes do not tell (activations, epsilons, scales) is taken from the family's published configuration.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinv_tui.models.counts import MOST_LEVELS

Shapes = Mapping[str, tuple[int, ...]]
Config = dict[str, Any]
_HEAD = 64
"""The width of a head in CLIP, and in the UNets of SD 2.x and SDXL."""
_SD1_HEADS = 8
_GROUPS = 32


class Unusual(ValueError):
    """The part is built in a way that its configuration has no words for; the text says how."""


@dataclass(frozen=True)
class _Level:
    """The blocks of one resolution: the width behind them, and how many transformers deep each is."""

    width: int
    depths: tuple[int, ...]

    @property
    def has_attention(self) -> bool:
        return any(self.depths)


def unet_config(shapes: Shapes, published: Mapping[str, Any], *, fixed_heads: bool) -> Config:
    """What UNet2DConditionModel takes. ``fixed_heads``: as many in each level (SD 1.x), else all of the same width.

    Raises Unusual, or KeyError for a tensor that is missing.
    """
    down, up = _levels(shapes, "input_blocks", "op"), _levels(shapes, "output_blocks", "conv")[::-1]
    layers = [len(level.depths) for level in down]
    if [len(level.depths) for level in up] != [count + 1 for count in layers]:
        raise Unusual("the two sides of its UNet do not match")
    widths = [level.width for level in down]
    crossing = next((name for name in sorted(shapes) if name.endswith("attn2.to_k.weight")), None)
    if crossing is None:
        raise Unusual("its UNet does not attend to the text")
    entered = f"{crossing.partition('transformer_blocks')[0]}proj_in.weight"
    config = dict(published) | {
        "in_channels": shapes["input_blocks.0.0.weight"][1],
        "out_channels": shapes["out.2.weight"][0],
        "block_out_channels": widths,
        "layers_per_block": _one_or_all(layers),
        "down_block_types": ["CrossAttnDownBlock2D" if level.has_attention else "DownBlock2D" for level in down],
        "up_block_types": ["CrossAttnUpBlock2D" if level.has_attention else "UpBlock2D" for level in up[::-1]],
        "cross_attention_dim": shapes[crossing][1],
        "use_linear_projection": len(shapes[entered]) == 2,
        "norm_num_groups": _largest_divisor(math.gcd(*widths), _GROUPS),
    }
    if fixed_heads:
        config["attention_head_dim"] = _one_or_all([_largest_divisor(width, _SD1_HEADS) for width in widths])
    else:
        config["attention_head_dim"] = [heads(width) for width in widths]
    config |= _depths(shapes, down, up)
    if "label_emb.0.0.weight" in shapes:
        config["projection_class_embeddings_input_dim"] = shapes["label_emb.0.0.weight"][1]
    return config


def _levels(shapes: Shapes, side: str, sampler: str) -> list[_Level]:
    """In the order of the blocks; a down- or upsampling block ends a level."""
    blocks: dict[int, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        if name.startswith(f"{side}."):
            _, place, rest = name.split(".", 2)
            blocks.setdefault(int(place), {})[rest] = shape
    found, width, depths = list[_Level](), 0, list[int]()
    for number in sorted(blocks):
        block = blocks[number]
        if (resnet := block.get("0.out_layers.3.weight")) is not None:
            width = resnet[0]
            depths.append(_depth(block, "1."))
        elif number and f"0.{sampler}.weight" not in block:
            raise Unusual(f"{side}.{number} of its UNet is of a kind that is not known")
        if any(f"{place}.{sampler}.weight" in block for place in range(3)):
            found.append(_Level(width, tuple(depths)))
            depths = []
    found.append(_Level(width, tuple(depths)))
    if any(any(level.depths) and not all(level.depths) for level in found):
        raise Unusual("its UNet attends to the text in some blocks of a level and not in others")
    return found


def _depth(shapes: Shapes, prefix: str) -> int:
    """How many transformer blocks there are behind a prefix."""
    pattern = re.compile(rf"{re.escape(prefix)}transformer_blocks\.(\d+)\.")
    return len({match[1] for name in shapes if (match := pattern.match(name))})


def _depths(shapes: Shapes, down: Sequence[_Level], up: Sequence[_Level]) -> Config:
    """How deep the transformers are, and what is in the middle; ``up`` in the order of ``down``."""
    middle = {name.split(".")[1] for name in shapes if name.startswith("middle_block.")}
    depth = _depth(shapes, "middle_block.1.")
    config = Config()
    if not middle:
        config["mid_block_type"] = None
    elif middle == {"0"}:
        config["mid_block_type"] = "UNetMidBlock2D"
    elif middle != {"0", "1", "2"} or not depth:
        raise Unusual("the middle of its UNet is of a kind that is not known")
    each = [_one_or_all(level.depths) or 1 for level in down]
    if depth and not down[-1].has_attention:
        each[-1] = depth  # the middle reads the last level's figure
    elif depth and depth != down[-1].depths[0]:
        raise Unusual("the middle of its UNet is not as deep as the level before")
    above = [_one_or_all(level.depths) or 1 for level in up]
    mirrored = all(not u.has_attention or figure == a for u, figure, a in zip(up, each, above, strict=True))
    if mirrored and all(isinstance(figure, int) for figure in each):
        config["transformer_layers_per_block"] = _one_or_all(each)
    else:
        config |= {"transformer_layers_per_block": each, "reverse_transformer_layers_per_block": above[::-1]}
    return config


def vae_config(shapes: Shapes, published: Mapping[str, Any]) -> Config:
    """What AutoencoderKL takes, from names without ``first_stage_model.``. Raises Unusual, or KeyError."""
    pattern = re.compile(r"(encoder\.down|decoder\.up)\.(\d+)\.block\.(\d+)\.conv1\.weight")
    levels: dict[str, dict[int, list[int]]] = {"encoder.down": {}, "decoder.up": {}}
    for name, shape in shapes.items():
        if match := pattern.fullmatch(name):
            levels[match[1]].setdefault(int(match[2]), []).append(shape[0])
    down = [levels["encoder.down"][number] for number in sorted(levels["encoder.down"])]
    up = [levels["decoder.up"][number] for number in sorted(levels["decoder.up"])]
    if not down or not up:
        raise Unusual(f"its VAE has no {'decoder' if down else 'encoder'}")
    layers = {len(level) for level in down} | {len(level) - 1 for level in up}
    widths = [level[0] for level in down]
    if len(layers) != 1 or [level[0] for level in up] != widths:
        raise Unusual("the two sides of its VAE do not match")
    if len(widths) > MOST_LEVELS:
        raise Unusual(f"its VAE has {len(widths)} levels")
    config = dict(published) | {
        "in_channels": shapes["encoder.conv_in.weight"][1],
        "out_channels": shapes["decoder.conv_out.weight"][0],
        "latent_channels": shapes["decoder.conv_in.weight"][1],
        "block_out_channels": widths,
        "layers_per_block": layers.pop(),
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
        "norm_num_groups": _largest_divisor(math.gcd(*widths), _GROUPS),
    }
    absent = {
        "mid_block_add_attention": "encoder.mid.attn_1.q.weight",
        "use_quant_conv": "quant_conv.weight",
        "use_post_quant_conv": "post_quant_conv.weight",
    }
    return config | {setting: False for setting, name in absent.items() if name not in shapes}


def clip_config(shapes: Shapes, published: Mapping[str, Any]) -> Config:
    """What CLIPTextConfig takes, from transformers' names. Raises KeyError."""
    width = shapes["text_model.embeddings.token_embedding.weight"][1]
    return dict(published) | {
        "vocab_size": shapes["text_model.embeddings.token_embedding.weight"][0],
        "hidden_size": width,
        "intermediate_size": shapes["text_model.encoder.layers.0.mlp.fc1.weight"][0],
        "max_position_embeddings": shapes["text_model.embeddings.position_embedding.weight"][0],
        "num_hidden_layers": _count(shapes, r"text_model\.encoder\.layers\.(\d+)\."),
        "num_attention_heads": heads(width),
    }


def openclip_config(shapes: Shapes, published: Mapping[str, Any], *, pooled: bool) -> Config:
    """What CLIPTextConfig takes, from OpenCLIP's names. Raises KeyError.

    Without a pooled output (SD 2.x) the whole encoder's last layer is never used and does not count. Files that were made
    from a diffusers model lack it, and with it the projection.
    """
    width = shapes["token_embedding.weight"][1]
    layers = _count(shapes, r"transformer\.resblocks\.(\d+)\.")
    if pooled:
        projection = shapes["text_projection"][1]
    else:
        projection = published["projection_dim"]
        layers -= layers == 24 or (layers != 23 and "text_projection" in shapes)
    return dict(published) | {
        "vocab_size": shapes["token_embedding.weight"][0],
        "hidden_size": width,
        "intermediate_size": shapes["transformer.resblocks.0.mlp.c_fc.weight"][0],
        "max_position_embeddings": shapes["positional_embedding"][0],
        "num_hidden_layers": layers,
        "num_attention_heads": heads(width),
        "projection_dim": projection,
    }


def heads(width: int) -> int:
    """How many attention heads: of 64 numbers each, or of the next smaller size that divides the width."""
    return width // _largest_divisor(width, _HEAD)


def _largest_divisor(number: int, limit: int) -> int:
    if number < 1:
        raise Unusual("a part of it is no numbers wide")
    return next(divisor for divisor in range(min(limit, number), 0, -1) if number % divisor == 0)


def _one_or_all(figures: Sequence[Any]) -> Any:
    return figures[0] if len(set(map(str, figures))) == 1 else list(figures)


def _count(shapes: Shapes, pattern: str) -> int:
    return len({match[1] for name in shapes if (match := re.match(pattern, name))})
