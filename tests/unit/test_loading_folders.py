"""Diffusers folders are read with all their history, and another VAE from a file or a folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file, save_file

from tests.checkpoints import ldm_vae, write_single_file
from tests.loaded_models import CPU, VAE, differing, load, parts_of, random_folders, state_of, stock_parts
from tinv_tui.errors import InputError
from tinv_tui.models import bundled
from tinv_tui.models.families import SD1, SDXL, Family
from tinv_tui.models.tiny_vae import load_tiny_vae
from tinv_tui.models.vae_file import VaeFile


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Family, Path]:
    return random_folders(tmp_path_factory)


def folder_with(folders: dict[Family, Path], tmp_path: Path, part: str, family: Family = SD1) -> Path:
    """A copy of a family's folder, and the part that is about to be rewritten."""
    shutil.copytree(folders[family], tmp_path / "model")
    return tmp_path / "model" / part


def test_the_bundled_model_names_its_weights_as_every_published_one_does() -> None:
    """transformers 5 finds them without the prefix too; 4 would draw a text encoder by chance, and only warn of it."""
    weights = load_file(bundled.FOLDER / "text_encoder" / "model.safetensors")
    assert len(weights) == 36
    assert all(name.startswith("text_model.") for name in weights)


def test_shards_are_read_as_one(folders: dict[Family, Path], tmp_path: Path) -> None:
    part = folder_with(folders, tmp_path, "unet")
    stock = UNet2DConditionModel.from_pretrained(part)
    shutil.rmtree(part)
    stock.save_pretrained(part, max_shard_size="500KB")
    assert len(list(part.glob("*.safetensors"))) > 2
    assert differing(parts_of(load(part.parent, SD1)), stock_parts(folders[SD1], SD1)) == []


def test_a_shard_outside_the_folder_is_not_read(folders: dict[Family, Path], tmp_path: Path) -> None:
    part = folder_with(folders, tmp_path, "unet")
    file = next(part.glob("*.safetensors"))
    file.rename(tmp_path / "elsewhere.safetensors")
    index = {"weight_map": {"conv_in.weight": "../../elsewhere.safetensors"}}
    (part / f"{file.name}.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match="not beside it"):
        load(part.parent, SD1)


def test_a_folder_of_fp16_files_alone_is_read(folders: dict[Family, Path], tmp_path: Path) -> None:
    for part in list(folder_with(folders, tmp_path, "").iterdir()):
        file = next(part.glob("*.safetensors"))
        save_file({name: w.half() for name, w in load_file(file).items()}, file.with_suffix(".fp16.safetensors"))
        file.unlink()
    model = load(tmp_path / "model", SD1, torch.float16)
    wanted = load_file(next((folders[SD1] / "unet").glob("*.safetensors")))
    assert all(torch.equal(weight, wanted[name].half()) for name, weight in model.unet.state_dict().items())


def test_bin_files_are_read(folders: dict[Family, Path], tmp_path: Path) -> None:
    for part in list(folder_with(folders, tmp_path, "").iterdir()):
        file = next(part.glob("*.safetensors"))
        stem = "pytorch_model" if part.name == "text_encoder" else file.stem
        torch.save(load_file(file), part / f"{stem}.bin")
        file.unlink()
    assert differing(parts_of(load(tmp_path / "model", SD1)), stock_parts(folders[SD1], SD1)) == []


def test_the_names_of_earlier_diffusers_and_transformers_are_known(folders: dict[Family, Path], tmp_path: Path) -> None:
    """As published folders of SD 1.5 have them."""
    part = folder_with(folders, tmp_path, "vae")
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    file = next(part.glob("*.safetensors"))
    state = {}
    for name, weight in load_file(file).items():
        for new, former in old.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{former}.")
        state[name] = weight
    assert "encoder.mid_block.attentions.0.query.weight" in state
    save_file(state, file)
    text = next((part.parent / "text_encoder").glob("*.safetensors"))
    names = {f"text_model.{name.removeprefix('text_model.')}": weight for name, weight in load_file(text).items()}
    save_file(names | {"text_model.embeddings.position_ids": torch.arange(77)[None]}, text)
    assert differing(parts_of(load(part.parent, SD1)), stock_parts(folders[SD1], SD1)) == []


# ---- another VAE


@pytest.fixture
def other_vae() -> AutoencoderKL:
    torch.manual_seed(8)
    return AutoencoderKL.from_config(VAE | {"scaling_factor": 0.5})


@pytest.mark.parametrize("prefix", ["", "first_stage_model."])
@pytest.mark.parametrize("ending", ["safetensors", "pt"])
def test_another_vae_comes_from_a_file(
    folders: dict[Family, Path], tmp_path: Path, other_vae: AutoencoderKL, prefix: str, ending: str
) -> None:
    state = {prefix + name: weight for name, weight in ldm_vae(other_vae.state_dict()).items()}
    path = write_single_file(tmp_path / f"vae.{ending}", state | {"loss.logvar": torch.zeros(1)})
    model = load(folders[SD1], SD1, vae=VaeFile("kl", path, dict(other_vae.config), prefix))
    assert differing({"vae": model.vae}, {"vae": other_vae}) == []
    assert model.vae.config.scaling_factor == 0.5


def test_another_vae_comes_from_a_folder(folders: dict[Family, Path], tmp_path: Path, other_vae: AutoencoderKL) -> None:
    other_vae.save_pretrained(tmp_path / "vae")
    path = write_single_file(tmp_path / "model.safetensors", state_of(folders[SDXL], SDXL))
    model = load(path, SDXL, vae=VaeFile("kl", tmp_path / "vae", dict(other_vae.config)))
    assert differing({"vae": model.vae}, {"vae": other_vae}) == []


@pytest.mark.parametrize("kind", ["folder", "decoder file"])
def test_a_tiny_vae_draws_what_diffusers_draws(tmp_path: Path, kind: str) -> None:
    widths = {"encoder_block_out_channels": [8] * 4, "decoder_block_out_channels": [8] * 4}
    torch.manual_seed(2)
    stock = AutoencoderTiny(**widths)
    if kind == "folder":
        path = tmp_path / "taesd"
        stock.save_pretrained(path)
    else:  # as published beside it: the decoder alone, counted from 1
        path = tmp_path / "taesd_decoder.safetensors"
        layers = stock.decoder.layers.state_dict()
        save_file({f"{int(n.partition('.')[0]) + 1}.{n.partition('.')[2]}": w for n, w in layers.items()}, path)
    ours = load_tiny_vae(VaeFile("tiny", path, dict(stock.config)), CPU, torch.float32)
    latents = torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        assert torch.equal(ours.decode(latents).sample, stock.decode(latents).sample)
    assert not any(weight.requires_grad for weight in ours.parameters())


def test_pictures_are_decoded_by_the_tiny_vae_where_there_is_one(folders: dict[Family, Path], tmp_path: Path) -> None:
    stock = AutoencoderTiny(encoder_block_out_channels=[8] * 4, decoder_block_out_channels=[8] * 4)
    stock.save_pretrained(tmp_path / "taesd")
    latents = torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        own = load(folders[SDXL], SDXL)
        assert torch.equal(own.decode(latents), own.vae.decode(latents / 0.13025).sample.clamp(-1, 1))
        quick = load(folders[SDXL], SDXL, tiny_vae=VaeFile("tiny", tmp_path / "taesd", dict(stock.config)))
        assert torch.equal(quick.decode(latents), stock.decode(latents).sample.clamp(-1, 1))
