"""What is no base model is told for what it is, and a file that is broken or would run something is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from tests.checkpoints import ldm_state, write_header_only
from tests.model_files import State, empty, names, parts_of, refused, state_of, without
from tinv_tui.errors import InputError
from tinv_tui.models import signatures
from tinv_tui.models.families import SD1, SD2, SDXL, Family
from tinv_tui.models.identify import identify


def lora() -> State:
    return empty({"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": (4, 320), "x.alpha": ()})


def changed_entry(family: Family, channels: int) -> State:
    name = "model.diffusion_model.input_blocks.0.0.weight"
    return state_of(family) | empty({name: (320, channels, 3, 3)})


OTHERS: dict[str, tuple[Callable[[], State], str]] = {
    "LoRA of kohya": (lora, "is a LoRA"),
    "LoRA of diffusers": (lambda: names("unet.down_blocks.1.attentions.0.proj_in.lora.down.weight"), "is a LoRA"),
    "LoRA of peft": (lambda: names("transformer.single_transformer_blocks.0.attn.to_k.lora_A.weight"), "is a LoRA"),
    "LoHa": (lambda: names("lora_unet_mid_block_proj_in.hada_w1_a"), "is a LyCORIS"),
    "LoKr": (lambda: names("lora_te_text_model_encoder_layers_0_mlp_fc1.lokr_w1"), "is a LyCORIS"),
    "ControlNet": (lambda: names("control_model.zero_convs.0.0.weight"), "is a ControlNet"),
    "ControlNet with its model": (lambda: state_of(SD1) | names("control_model.zero_convs.0.0.weight"), "is a ControlNet with"),
    "ControlNet of diffusers": (
        lambda: names("controlnet_cond_embedding.conv_in.weight", "down_blocks.0.resnets.0.conv1.weight"), "is a ControlNet",
    ),
    "T2I-Adapter": (lambda: names("body.0.block1.weight", "conv_in.weight"), "is a T2I-Adapter"),
    "IP-Adapter": (lambda: names("image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"), "is an IP-Adapter"),
    "motion module": (
        lambda: names("down_blocks.0.motion_modules.0.temporal_transformer.norm.weight"), "is a motion module",
    ),
    "embedding": (lambda: empty({"emb_params": (4, 768)}), "is an embedding"),
    "SDXL embedding": (lambda: empty({"clip_g": (1, 1280), "clip_l": (1, 768)}), "is an embedding"),
    "Flux": (lambda: names("double_blocks.0.img_attn.norm.key_norm.scale", "img_in.weight"), "is Flux: not supported"),
    "Flux checkpoint": (
        lambda: names("model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "text_encoders.clip_l.logit_scale",
                      "vae.decoder.conv_in.weight"), "is Flux: not supported",
    ),
    "Chroma": (
        lambda: names("double_blocks.0.img_attn.qkv.weight", "distilled_guidance_layer.in_proj.bias"), "is Chroma",
    ),
    "SD 3": (
        lambda: names("model.diffusion_model.joint_blocks.0.context_block.attn.qkv.weight",
                      "text_encoders.clip_l.transformer.text_model.embeddings.token_embedding.weight",
                      "first_stage_model.encoder.conv_in.weight"), "is Stable Diffusion 3: not supported",
    ),
    "PixArt": (
        lambda: names("x_embedder.proj.weight", "y_embedder.y_embedding", "blocks.0.cross_attn.q_linear.weight"), "PixArt",
    ),
    "Stable Cascade": (lambda: names("clip_txt_mapper.weight", "down_blocks.0.0.channelwise.0.weight"), "Stable Cascade"),
    "Qwen-Image": (lambda: names("transformer_blocks.0.img_mod.1.weight", "txt_in.weight"), "Qwen-Image"),
    "inpainting": (lambda: changed_entry(SD1, 9), "is an inpainting model (9 channels)"),
    "XL inpainting": (lambda: changed_entry(SDXL, 9), "is an inpainting model (9 channels)"),
    "instruct-pix2pix": (lambda: changed_entry(SD1, 8), "is an instruct-pix2pix model (8 channels)"),
    "depth": (lambda: changed_entry(SD2, 5), "is a model that takes depth (5 channels)"),
    "x4 upscaler": (lambda: changed_entry(SD2, 7), "is an upscaler (7 channels)"),
    "unCLIP": (lambda: state_of(SD2) | names("model.diffusion_model.label_emb.0.0.weight"), "is an unCLIP model"),
    "refiner": (
        lambda: names("conditioner.embedders.0.model.ln_final.weight", "model.diffusion_model.input_blocks.0.0.weight"),
        "is the SDXL refiner",
    ),
    "video": (
        lambda: names("conditioner.embedders.0.open_clip.model.ln_final.weight",
                      "model.diffusion_model.input_blocks.1.0.time_stack.in_layers.0.weight"), "is a video model",
    ),
    "Playground 2.5": (lambda: state_of(SDXL) | names("edm_mean", "edm_std"), "is Playground 2.5"),
    "UNet of ComfyUI": (lambda: names("input_blocks.0.0.weight", "middle_block.0.in_layers.0.weight"), "is a UNet alone"),
    "UNet with VAE": (lambda: without("cond_stage_model.")(state_of(SD1)), "is a UNet alone, without text encoder"),
    "UNet with one of two text encoders": (
        lambda: without("conditioner.embedders.1.")(state_of(SDXL)), "is a UNet alone, without text encoder",
    ),
    "UNet of diffusers": (lambda: dict(parts_of(SD1)["unet"]), "is the UNet of a diffusers model"),
    "VAE": (lambda: {n.removeprefix("first_stage_model."): t for n, t in state_of(SD1).items() if "first_stage" in n},
            "is a VAE alone"),
    "VAE of a checkpoint": (lambda: {n: t for n, t in state_of(SD1).items() if "first_stage" in n}, "is a VAE alone"),
    "TAESD": (lambda: names("decoder.layers.0.weight", "encoder.layers.0.weight"), "is a tiny VAE alone"),
    "text encoder": (lambda: dict(ldm_state(SD1, {"text_encoder": parts_of(SD1)["text_encoder"]})), "is a text encoder alone"),
    "text encoder of transformers": (lambda: dict(parts_of(SDXL)["text_encoder_2"]), "is a text encoder alone"),
    "T5": (lambda: names("encoder.block.0.layer.0.SelfAttention.q.weight", "shared.weight"), "is a text encoder alone"),
    "ESRGAN": (lambda: names("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight"), "is an upscaler"),
    "RealESRGAN": (lambda: names("params_ema.conv_first.weight", "params_ema.body.0.rdb1.conv1.weight"), "is an upscaler"),
    "CLIP vision": (lambda: names("vision_model.encoder.layers.0.mlp.fc1.weight"), "is an image encoder"),
    "nothing known": (lambda: names("weight"), "is no model that is known here"),
    "nothing at all": (dict, "is no model that is known here"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_base_model_is_told_for_what_it_is(tmp_path: Path, name: str) -> None:
    make, said = OTHERS[name]
    error = refused(write_header_only(tmp_path / "it.safetensors", make()))
    assert (error.code, said in error.message) == ("model-unsupported", True), error.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"string_to_token": {"*": 265}, "string_to_param": {"*": torch.ones(2, 768)}, "name": "x"}, "is an embedding"),
        ({768: ({"linear.0.weight": torch.ones(2, 2)},) * 2, "step": 5, "name": "x"}, "is a hypernetwork"),
        ({"<cat>": torch.ones(768)}, "is an embedding"),
        ({"params_ema": {"conv_first.weight": torch.ones(2)}}, "is an upscaler"),
        ({"epoch": 3}, "is no model that is known here"),
    ],
)
def test_other_files_of_torch_are_told_too(tmp_path: Path, content: Any, said: str) -> None:
    torch.save(content, tmp_path / "it.pt")
    assert said in refused(tmp_path / "it.pt").message


def test_a_file_that_would_run_something_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    torch.save({"state_dict": Trap()}, tmp_path / "trap.ckpt")
    with pytest.raises(InputError) as caught:
        identify("trap.ckpt", tmp_path)
    assert caught.value.code == "torch-file-unsafe"
    assert caught.value.message.startswith("model.path: ")
    assert not (tmp_path / "sprung").exists()


def as_safetensors(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


ONE = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"", "model-broken", "is empty"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 42\n",
            "model-broken",
            "a pointer of git-lfs",
        ),
        (b"<!DOCTYPE html><html><body>Log in</body></html>", "model-broken", "is a web page"),
        (b"\n  <html lang=en>", "model-broken", "is a web page"),
        (b"GGUF\x03\0\0\0" + b"\0" * 50, "model-unsupported", "is GGUF"),
        (b'{"error": "not found"}', "model-format", "is neither"),
        (b"\x9c\x1c\x12\x98" + b"\0" * 20, "model-format", "is neither"),
        (as_safetensors(ONE, b"\0" * 7), "model-broken", "is cut off"),
        (as_safetensors(ONE, b"\0" * 9), "model-broken", "is too long"),
        (as_safetensors(ONE, b"\0" * 8)[:30], "model-broken", "is cut off"),
        (
            as_safetensors({"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, b"\0" * 8),
            "model-broken",
            "the numbers of w are not as many",
        ),
        (as_safetensors({"w": {"dtype": "F32"}}), "model-broken", "w is described in a way that makes no sense"),
        (as_safetensors({"w": 5}), "model-broken", "w is described in a way that makes no sense"),
        (as_safetensors(b'{"w":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "model-broken", "nested too deep"),
        (as_safetensors(ONE | {"__metadata__": [1]}, b"\0" * 8), "model-broken", "its metadata is no table"),
        (as_safetensors(b'{"w":{"dtype":"F32","shape":[1e999],"data_offsets":[0,0]}}'), "model-broken", "no sense"),
        (as_safetensors({"w": {"dtype": "X", "shape": [1] * 9, "data_offsets": [0, 0]}}), "model-broken", "no sense"),
        (as_safetensors(ONE | {"v": ONE["w"]}, b"\0" * 8), "model-broken", "its tensors overlap"),
        ((2**25).to_bytes(8, "little") + b"{}", "model-broken", "larger than that of any model"),
        (as_safetensors(b'{"w": '), "model-broken", ""),
        (as_safetensors(b'{"\xff'), "model-broken", ""),
        (b"PK\x03\x04" + b"\0" * 60, "model-broken", ""),
        (b"\x80\x02garbage", "model-broken", ""),
    ],
)
def test_what_is_no_file_of_weights_is_told_too(tmp_path: Path, content: bytes, code: str, said: str) -> None:
    path = tmp_path / "it.safetensors"
    path.write_bytes(content)
    error = refused(path)
    assert (error.code, said in error.message) == (code, True), error.message


def test_a_small_file_of_numpy_is_read_the_same_way(tmp_path: Path) -> None:
    save_file({"emb_params": np.ones((1, 768), np.float32)}, tmp_path / "e.safetensors")
    assert "is an embedding" in refused(tmp_path / "e.safetensors").message


def test_of_a_tensors_name_only_the_beginning_is_looked_at() -> None:
    assert signatures.what_it_is(["x." * 50 + "lora_up.weight"])[0] == "a LoRA"
    assert signatures.what_it_is(["x." * 200 + "lora_up.weight"])[0] == "no model that is known here"
