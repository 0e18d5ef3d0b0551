"""Writes base models as the single files of the original layout ("LDM"), from the weights of a diffusers model.

The names are those of CompVis' and Stability's own checkpoints, written from the published layouts; the program has its
own reading of them, so that the one checks the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tinv_tui.models.families import Family

State = Mapping[str, torch.Tensor]
_KINDS = {
    torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64", torch.int64: "I64",
    torch.uint8: "U8", torch.float8_e4m3fn: "F8_E4M3",
}  # fmt: skip
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
_OPENCLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def ldm_state(family: Family, parts: Mapping[str, State], *, spare_layer: bool = True) -> dict[str, torch.Tensor]:
    """All tensors of a single file by their names, from diffusers' and transformers' state dicts by folder name.

    ``parts`` has "unet", "vae", "text_encoder" and "text_encoder_2", or some of them; tensors may be on "meta". SD 2.x
    gets its text encoder's last layer, which nothing uses, as published files have it, unless ``spare_layer`` is off.
    """
    state = {f"model.diffusion_model.{name}": t for name, t in ldm_unet(parts.get("unet", {})).items()}
    state |= {f"first_stage_model.{name}": t for name, t in ldm_vae(parts.get("vae", {})).items()}
    text, text_2 = parts.get("text_encoder", {}), parts.get("text_encoder_2", {})
    match family.name:
        case "SD1":
            state |= {f"cond_stage_model.transformer.{name}": t for name, t in ldm_clip(text).items()}
        case "SD2":
            state |= {f"cond_stage_model.model.{n}": t for n, t in ldm_openclip(text, spare_layer=spare_layer).items()}
        case "SDXL":
            state |= {f"conditioner.embedders.0.transformer.{name}": t for name, t in ldm_clip(text).items()}
            state |= {f"conditioner.embedders.1.model.{name}": t for name, t in ldm_openclip(text_2).items()}
        case _:
            raise ValueError(family.name)
    return state


def ldm_unet(state: State) -> dict[str, torch.Tensor]:
    """Of a UNet: levels become one row of input blocks and one of output blocks."""
    inputs, outputs = _unet_places(state)
    found = {}
    for name, tensor in state.items():
        module, _, kind = name.rpartition(".")
        if module in _UNET:
            found[f"{_UNET[module]}.{kind}"] = tensor
            continue
        if name.startswith("mid_block."):
            _, what, number, rest = name.split(".", 3)
            place = f"middle_block.{1 if what == 'attentions' else 2 * int(number)}"
        else:
            side, level, what, number, rest = name.split(".", 4)
            places = inputs if side == "down_blocks" else outputs
            place = places[int(level), what, int(number)]
        if what == "resnets":
            module, _, kind = rest.rpartition(".")
            rest = f"{_RESNET[module]}.{kind}"
        elif what == "downsamplers":
            rest = rest.replace("conv", "op")
        found[f"{place}.{rest}"] = tensor
    return found


def _unet_places(state: State) -> tuple[dict[tuple[int, str, int], str], dict[tuple[int, str, int], str]]:
    """Where the resnets, attentions and samplers of each level stand."""

    def numbers(side: str, level: int, what: str) -> list[int]:
        pattern = re.compile(rf"{side}\.{level}\.{what}\.(\d+)\.")
        return sorted({int(m[1]) for name in state if (m := pattern.match(name))})

    levels = len({name.split(".")[1] for name in state if name.startswith("down_blocks.")})
    inputs, outputs = {}, {}
    block = 1
    for level in range(levels):
        attended = numbers("down_blocks", level, "attentions")
        for number in numbers("down_blocks", level, "resnets"):
            inputs[level, "resnets", number] = f"input_blocks.{block}.0"
            if number in attended:
                inputs[level, "attentions", number] = f"input_blocks.{block}.1"
            block += 1
        if numbers("down_blocks", level, "downsamplers"):
            inputs[level, "downsamplers", 0] = f"input_blocks.{block}.0"
            block += 1
    block = 0
    for level in range(levels):
        attended = numbers("up_blocks", level, "attentions")
        for number in numbers("up_blocks", level, "resnets"):
            outputs[level, "resnets", number] = f"output_blocks.{block}.0"
            if number in attended:
                outputs[level, "attentions", number] = f"output_blocks.{block}.1"
            block += 1
        if numbers("up_blocks", level, "upsamplers"):
            outputs[level, "upsamplers", 0] = f"output_blocks.{block - 1}.{2 if attended else 1}"
    return inputs, outputs


def ldm_vae(state: State) -> dict[str, torch.Tensor]:
    """Of a VAE: levels of the decoder are counted from the other end, and attention is made of 1x1 convolutions."""
    ups = len({name.split(".")[2] for name in state if name.startswith("decoder.up_blocks.")})
    found = {}
    for name, tensor in state.items():
        new = name
        if m := re.match(
            r"(encoder\.down|decoder\.up)_blocks\.(\d+)\.(resnets|downsamplers|upsamplers)\.(\d+)\.(.*)", name
        ):
            side, level, what, number, rest = m.groups()
            level = level if side == "encoder.down" else str(ups - 1 - int(level))
            new = f"{side}.{level}.{f'block.{number}' if what == 'resnets' else what[:-3].removesuffix('r')}.{rest}"
            new = new.replace("downsampl.", "downsample.").replace("upsampl.", "upsample.")
        elif m := re.match(r"(\w+)\.mid_block\.resnets\.(\d+)\.(.*)", name):
            new = f"{m[1]}.mid.block_{int(m[2]) + 1}.{m[3]}"
        elif m := re.match(r"(\w+)\.mid_block\.attentions\.0\.(.*)\.(weight|bias)$", name):
            new = f"{m[1]}.mid.attn_1.{_VAE_ATTENTION[m[2]]}.{m[3]}"
            if m[2] != "group_norm" and m[3] == "weight":
                tensor = tensor[:, :, None, None]
        found[new.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")] = tensor
    return found


def ldm_clip(state: State) -> dict[str, torch.Tensor]:
    """Of OpenAI's text encoder: transformers' own names, with the positions' numbers that older versions wrote."""
    found = {f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in state.items()}
    if found:
        positions = found["text_model.embeddings.position_embedding.weight"].shape[0]
        found["text_model.embeddings.position_ids"] = torch.arange(positions)[None]
    return found


def ldm_openclip(state: State, *, spare_layer: bool = False) -> dict[str, torch.Tensor]:
    """Of OpenCLIP's text encoder: query, key and value in one tensor, the projection the other way round."""
    plain = {name.removeprefix("text_model."): tensor for name, tensor in state.items()}
    if not plain:
        return {}
    found = {
        "token_embedding.weight": plain["embeddings.token_embedding.weight"],
        "positional_embedding": plain["embeddings.position_embedding.weight"],
        "ln_final.weight": plain["final_layer_norm.weight"],
        "ln_final.bias": plain["final_layer_norm.bias"],
        "logit_scale": torch.tensor(4.6),
    }
    layers = len({name.split(".")[2] for name in plain if name.startswith("encoder.layers.")})
    for layer in range(layers + spare_layer):
        old, new = f"encoder.layers.{min(layer, layers - 1)}", f"transformer.resblocks.{layer}"
        for kind in ("weight", "bias"):
            fused = [plain[f"{old}.self_attn.{letter}_proj.{kind}"] for letter in "qkv"]
            found[f"{new}.attn.in_proj_{kind}"] = torch.cat(fused)
            for theirs, ours in _OPENCLIP.items():
                found[f"{new}.{ours}.{kind}"] = plain[f"{old}.{theirs}.{kind}"].clone()
    if "text_projection.weight" in plain:
        found["text_projection"] = plain["text_projection.weight"].T
    elif spare_layer:  # SD 2.x: carried along in published files, used by nothing
        width = found["token_embedding.weight"].shape[1]
        found["text_projection"] = torch.zeros(width, width, device=found["token_embedding.weight"].device)
    return found


def ema_names(names: Iterable[str]) -> dict[str, str]:
    """Under which flat name a training file keeps the running average of each UNet tensor."""
    return {
        name: "model_ema." + name.removeprefix("model.").replace(".", "")
        for name in names
        if name.startswith("model.diffusion_model.")
    }


def with_ema(state: State, *, only: bool = False) -> dict[str, torch.Tensor]:
    """With the UNet's running averages beside the plain weights, as in a training file, or in their place."""
    averages = ema_names(state)
    found = {averages[name]: state[name].clone() for name in averages}
    found |= {"model_ema.decay": torch.tensor(0.9999), "model_ema.num_updates": torch.tensor(470000)}
    return found | {name: tensor for name, tensor in state.items() if not (only and name in averages)}


def write_single_file(
    path: Path,
    state: State,
    *,
    dtype: torch.dtype | None = None,
    metadata: Mapping[str, str] | None = None,
    **more: Any,
) -> Path:
    """Write all tensors of ``ldm_state`` to a ``.safetensors`` file, or one of torch's (``.ckpt``, ``.pt``, ``.bin``).

    ``dtype`` is what fractions are stored in. Into torch's files go ``more`` entries beside "state_dict" (global_step).
    """
    stored = {
        name: (tensor.to(dtype) if dtype is not None and tensor.is_floating_point() else tensor).contiguous().clone()
        for name, tensor in state.items()
    }
    if path.suffix == ".safetensors":
        save_file(stored, path, dict(metadata) if metadata else None)
    else:
        torch.save({**more, "state_dict": stored}, path)
    return path


def write_header_only(
    path: Path, state: State, *, dtype: torch.dtype | None = None, metadata: Mapping[str, str] | None = None
) -> Path:
    """A ``.safetensors`` file with the true header of ``state`` and no numbers behind it: full size, no disk taken."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, tensor in state.items():
        kind = dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype
        size = tensor.numel() * kind.itemsize
        header[name] = {"dtype": _KINDS[kind], "shape": list(tensor.shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return path


def meta_parts(configurations: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, torch.Tensor]]:
    """State dicts of the parts with these configurations (by folder name), with true shapes and no numbers."""
    with torch.device("meta"):
        return {part: dict(module.state_dict()) for part, module in make_parts(configurations).items()}


def make_parts(configurations: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Fresh modules with these configurations (by folder name: unet, vae, text_encoder, text_encoder_2)."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    makers = {
        "unet": UNet2DConditionModel.from_config,
        "vae": AutoencoderKL.from_config,
        "text_encoder": lambda c: CLIPTextModel(CLIPTextConfig.from_dict(c)),
        "text_encoder_2": lambda c: CLIPTextModelWithProjection(CLIPTextConfig.from_dict(c)),
    }
    return {part: makers[part](dict(c)) for part, c in configurations.items() if part in makers}
