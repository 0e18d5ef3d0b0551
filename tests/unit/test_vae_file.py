"""What a VAE is that stands in for the model's own: a folder or a file, a full one or a tiny one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.checkpoints import ldm_vae, make_parts, meta_parts, write_header_only, write_single_file
from tests.model_files import NARROW, empty, model_of, names, state_of
from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.families import SD1, SDXL
from tinv_tui.models.vae_file import check_vaes, identify_vae

VAE_XL = {n: t for n, t in state_of(SDXL).items() if n.startswith("first_stage_model.")}
PLAIN = {name.removeprefix("first_stage_model."): tensor for name, tensor in VAE_XL.items()}
DECODER = {"1.weight": (64, 4, 3, 3), "1.bias": (64,), "3.conv.0.weight": (64, 64, 3, 3), "19.weight": (3, 64, 3, 3)}
ENCODER = {"0.weight": (64, 3, 3, 3), "1.conv.0.weight": (64, 64, 3, 3), "14.weight": (4, 64, 3, 3)}


@pytest.fixture
def sd1(tmp_path: Path) -> BaseModel:
    return model_of(tmp_path, state_of(SD1), "sd1.safetensors")


@pytest.fixture
def sdxl(tmp_path: Path) -> BaseModel:
    return model_of(tmp_path, state_of(SDXL), "sdxl.safetensors")


def taesd() -> dict[str, torch.Tensor]:
    from diffusers import AutoencoderTiny

    with torch.device("meta"):
        return dict(AutoencoderTiny().state_dict())


def tiny_folder(folder: Path, **config: Any) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"_class_name": "AutoencoderTiny", "latent_channels": 4} | config))
    return folder


@pytest.mark.parametrize(
    ("state", "prefix"), [(PLAIN, ""), (VAE_XL, "first_stage_model.")], ids=["plain", "checkpoint's"]
)
def test_a_file_is_told_with_the_scale_of_the_models_family(
    tmp_path: Path, sdxl: BaseModel, sd1: BaseModel, state: Any, prefix: str
) -> None:
    path = write_header_only(tmp_path / "vae.safetensors", state | names("loss.logvar"))
    found = identify_vae(path, sdxl)
    assert (found.kind, found.path, found.prefix, found.latent_factor) == ("kl", path, prefix, 8)
    assert found.config == sdxl.components["vae"]
    assert identify_vae(path, sd1).config["scaling_factor"] == 0.18215


@pytest.mark.parametrize("suffix", [".pt", ".ckpt"])
def test_a_file_of_torch_is_told_too(tmp_path: Path, sd1: BaseModel, suffix: str) -> None:
    sides = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
    vae = make_parts({"vae": NARROW[SD1]["vae"] | {"block_out_channels": [32] * 4} | sides})
    path = write_single_file(tmp_path / f"vae{suffix}", ldm_vae(vae["vae"].state_dict()))
    found = identify_vae(path, sd1)
    assert (found.kind, found.config["block_out_channels"]) == ("kl", [32] * 4)


def test_a_folder_is_told_by_its_configuration(tmp_path: Path, sdxl: BaseModel) -> None:
    folder = tmp_path / "vae"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(dict(sdxl.components["vae"])))
    assert (identify_vae(folder, sdxl).kind, identify_vae(folder, sdxl).path) == ("kl", folder)
    tiny = identify_vae(tiny_folder(tmp_path / "taesdxl"), sdxl)
    assert (tiny.kind, tiny.latent_channels, tiny.latent_factor) == ("tiny", 4, 8)


@pytest.mark.parametrize("value", [None, "four", [[]], 0, -4, 1e400, 2**31])
def test_a_folder_whose_latent_channels_make_no_sense_is_broken(tmp_path: Path, sd1: BaseModel, value: Any) -> None:
    said = {"block_out_channels": [32] * 4, "latent_channels": value}
    assert says_broken(tiny_folder(tmp_path / "tiny", latent_channels=value), sd1)
    assert says_broken(tiny_folder(tmp_path / "full", _class_name="AutoencoderKL", **said), sd1)


@pytest.mark.parametrize("value", [None, 4, "abcd", {}, [], [32] * 9, [32] * 20_000])
def test_a_folder_whose_levels_make_no_sense_is_broken(tmp_path: Path, sd1: BaseModel, value: Any) -> None:
    said = {"_class_name": "AutoencoderKL", "block_out_channels": value}
    assert says_broken(tiny_folder(tmp_path / "tiny", decoder_block_out_channels=value), sd1)
    assert says_broken(tiny_folder(tmp_path / "full", **said), sd1)


def says_broken(folder: Path, model: BaseModel) -> bool:
    with pytest.raises(InputError) as caught:
        identify_vae(folder, model)
    return caught.value.code == "vae-broken" and str(folder / "config.json") in caught.value.message


def test_a_configuration_without_end_is_broken(tmp_path: Path, sd1: BaseModel) -> None:
    folder = tiny_folder(tmp_path / "vae")
    (folder / "config.json").write_text('{"a":' * 100_000)
    assert says_broken(folder, sd1)


def test_a_file_of_more_levels_than_any_vae_is_broken(tmp_path: Path, sd1: BaseModel) -> None:
    state = {name: tensor for name, tensor in PLAIN.items() if ".block." not in name}
    for side, layers in (("encoder.down", 2), ("decoder.up", 3)):
        blocks = [f"{side}.{level}.block.{layer}.conv1.weight" for level in range(9) for layer in range(layers)]
        state |= empty(dict.fromkeys(blocks, (32, 32, 3, 3)))
    path = write_header_only(tmp_path / "vae.safetensors", state)
    with pytest.raises(InputError, match="its VAE has 9 levels"):
        identify_vae(path, sd1)


def test_a_tiny_vae_is_told_by_diffusers_names_or_those_of_its_decoder_alone(tmp_path: Path, sd1: BaseModel) -> None:
    from diffusers import AutoencoderTiny

    whole = identify_vae(write_header_only(tmp_path / "taesd.safetensors", taesd()), sd1)
    decoder = identify_vae(write_header_only(tmp_path / "taesd_decoder.safetensors", empty(DECODER)), sd1)
    assert (whole.kind, decoder.kind, decoder.config) == ("tiny", "tiny", whole.config)
    with torch.device("meta"):
        rebuilt = AutoencoderTiny.from_config(dict(whole.config)).state_dict()
    assert {name: t.shape for name, t in rebuilt.items()} == {name: t.shape for name, t in taesd().items()}


def test_each_goes_into_its_own_setting(tmp_path: Path, sd1: BaseModel) -> None:
    full = str(write_header_only(tmp_path / "vae.safetensors", PLAIN))
    tiny = str(write_header_only(tmp_path / "taesd.safetensors", taesd()))
    check_vaes(sd1, full, tiny)
    check_vaes(sd1, "", "")
    with pytest.raises(InputError, match=r"^model\.vae: .* is a tiny VAE"):
        check_vaes(sd1, tiny)
    with pytest.raises(InputError, match=r"^preview\.tiny_vae: .* is a VAE of full size"):
        check_vaes(sd1, "", full)


def test_a_model_without_vae_wants_one(tmp_path: Path) -> None:
    bare = {n: t for n, t in state_of(SD1).items() if not n.startswith("first_stage_model.")}
    model = model_of(tmp_path, bare, "bare.safetensors")
    with pytest.raises(InputError, match=r"^model\.vae: bare\.safetensors comes without a VAE"):
        check_vaes(model, "")
    check_vaes(model, str(write_header_only(tmp_path / "vae.safetensors", PLAIN)))


@pytest.mark.parametrize(
    ("name", "state", "code", "said"),
    [
        (
            "flux",
            {**PLAIN, **empty({"decoder.conv_in.weight": (512, 16, 3, 3)})},
            "vae-misfit",
            "latents of 16 channels",
        ),
        ("narrow", ldm_vae(meta_parts(NARROW[SD1])["vae"]), "vae-misfit", "at 1/2 of the size"),
        ("diffusers", meta_parts(NARROW[SD1])["vae"], "vae-missing", "weights of a diffusers VAE folder"),
        ("taesd_encoder", empty(ENCODER), "vae-missing", "the half of TAESD that encodes"),
        ("taesdxl_decoder", empty(DECODER), "vae-misfit", "is not for SD 1.x"),
        ("taesd3_decoder", empty(DECODER | {"1.weight": (64, 16, 3, 3)}), "vae-misfit", "16 channels"),
        ("lora", names("lora_unet_x.lora_up.weight"), "vae-missing", "is a LoRA"),
        ("decoder", {n: t for n, t in PLAIN.items() if n.startswith("decoder.")}, "vae-missing", "is a VAE alone"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    tmp_path: Path, sd1: BaseModel, name: str, state: Any, code: str, said: str
) -> None:
    path = write_header_only(tmp_path / f"{name}.safetensors", state)
    with pytest.raises(InputError) as caught:
        identify_vae(path, sd1)
    assert (caught.value.code, said in caught.value.message) == (code, True), caught.value.message
    assert caught.value.message.startswith("model.vae: ")


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"block_out_channels": [1, 2]}'])
def test_a_folder_that_is_no_vae_is_refused(tmp_path: Path, sd1: BaseModel, content: str | None) -> None:
    (tmp_path / "vae").mkdir()
    if content is not None:
        (tmp_path / "vae" / "config.json").write_text(content)
    with pytest.raises(InputError, match=r"^model\.vae: "):
        identify_vae(tmp_path / "vae", sd1)
    with pytest.raises(InputError, match="there is no"):
        identify_vae(tmp_path / "nowhere", sd1)
