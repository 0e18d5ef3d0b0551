"""Base models in memory: the same weights and outputs from a folder and from a single file, of every family."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import types
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from tests.checkpoints import ldm_state, ldm_vae, make_parts, meta_parts, with_ema, write_header_only, write_single_file
from tests.unit.test_single_file import CUT_DOWN, NARROW
from tinv_tui.errors import InputError
from tinv_tui.models import bundled
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.families import FAMILIES, SD1, SD2, SDXL, Family
from tinv_tui.models.identify import identify
from tinv_tui.models.loading import LoadedModel, load_model
from tinv_tui.models.published import published_configs
from tinv_tui.models.tiny_vae import load_tiny_vae
from tinv_tui.models.vae_file import VaeFile

CPU = torch.device("cpu")
SCHEDULER = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
TEXT = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "projection_dim": 32,
    "bos_token_id": 298,
    "eos_token_id": 299,
}
UNET = {
    "sample_size": 8,
    "block_out_channels": [32, 64, 64],
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 2,
    "attention_head_dim": 8,
    "cross_attention_dim": 32,
}
VAE = {
    "block_out_channels": [32, 32, 64],
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 8,
}
CONFIGURATIONS: dict[Family, dict[str, dict[str, Any]]] = {
    SD1: {"unet": UNET, "vae": VAE, "text_encoder": TEXT},
    SD2: {
        "unet": UNET | {"use_linear_projection": True, "attention_head_dim": [2, 4, 4]},
        "vae": VAE,
        "text_encoder": TEXT | {"hidden_act": "gelu"},
    },
    SDXL: {
        "unet": UNET
        | {
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            "transformer_layers_per_block": [1, 2, 3],
            "use_linear_projection": True,
            "cross_attention_dim": 80,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 24 + 6 * 8,
        },
        "vae": VAE | {"scaling_factor": 0.13025},
        "text_encoder": TEXT,
        "text_encoder_2": TEXT | {"hidden_size": 48, "hidden_act": "gelu", "projection_dim": 24},
    },
}
EACH_FAMILY = pytest.mark.parametrize("family", CONFIGURATIONS, ids=lambda family: family.name)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Family, Path]:
    """The weights of a diffusers folder for each family, random."""
    found = {}
    for family, configurations in CONFIGURATIONS.items():
        found[family] = tmp_path_factory.mktemp(family.name)
        torch.manual_seed(3)
        for part, module in make_parts(configurations).items():
            with torch.no_grad():
                for weight in module.parameters():  # norms begin as ones and zeros, which hides a mistake
                    weight.copy_(torch.randn_like(weight) * 0.1)
            module.save_pretrained(found[family] / part)
    return found


def base_of(path: Path, family: Family, **changed: Any) -> BaseModel:
    texts = [CONFIGURATIONS[family][encoder.folder] for encoder in family.encoders]
    facts = {
        "name": path.stem,
        "path": path,
        "family": family,
        "widths": tuple(text["hidden_size"] for text in texts),
        "native_size": 32,
        "latent_factor": 4,
        "latent_channels": 4,
        "prediction_type": "epsilon",
        "encoder_layers": 3,
        "tokenizer_folders": (bundled.FOLDER / "tokenizer",) * len(texts),
        "weight_bytes": 1,
        "components": CONFIGURATIONS[family] | {"scheduler": SCHEDULER},
    }
    return BaseModel(**(facts | changed))


def load(path: Path, family: Family, dtype: torch.dtype = torch.float32, **more: Any) -> LoadedModel:
    return load_model(base_of(path, family), CPU, dtype, **more)


def parts_of(model: LoadedModel) -> dict[str, torch.nn.Module]:
    encoders = [encoder.folder for encoder in model.base.family.encoders]
    return dict(zip(encoders, model.text_encoders, strict=True)) | {"unet": model.unet, "vae": model.vae}


def stock_parts(folder: Path, family: Family) -> dict[str, torch.nn.Module]:
    """As the libraries load them."""
    parts: dict[str, torch.nn.Module] = {
        encoder.folder: (CLIPTextModelWithProjection if encoder.pooled else CLIPTextModel).from_pretrained(
            folder / encoder.folder, dtype=torch.float32
        )
        for encoder in family.encoders
    }
    return parts | {
        "unet": UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32),
        "vae": AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32),
    }


def state_of(folder: Path, family: Family) -> dict[str, torch.Tensor]:
    """The folder's weights by the names of a single file."""
    return ldm_state(
        family,
        {part.name: load_file(next(part.glob("*.safetensors"))) for part in folder.iterdir() if part.is_dir()},
    )


def differing(ours: Mapping[str, torch.nn.Module], theirs: Mapping[str, torch.nn.Module]) -> list[str]:
    """Names of weights and buffers that are not the same to the last bit."""
    found = []
    for part, module in theirs.items():
        mine, wanted = ours[part], dict(module.state_dict()) | dict(module.named_buffers())
        held = dict(mine.state_dict()) | dict(mine.named_buffers())
        assert held.keys() == wanted.keys()
        found += [f"{part}.{name}" for name, weight in wanted.items() if not torch.equal(held[name], weight)]
    return found


@EACH_FAMILY
def test_a_folder_is_loaded_as_the_libraries_load_it(folders: dict[Family, Path], family: Family) -> None:
    assert differing(parts_of(load(folders[family], family)), stock_parts(folders[family], family)) == []


@EACH_FAMILY
@pytest.mark.parametrize("ending", ["safetensors", "ckpt"])
def test_a_single_file_holds_the_folder_it_was_made_from(
    folders: dict[Family, Path], tmp_path: Path, family: Family, ending: str
) -> None:
    path = write_single_file(tmp_path / f"model.{ending}", state_of(folders[family], family))
    assert differing(parts_of(load(path, family)), stock_parts(folders[family], family)) == []


@EACH_FAMILY
def test_what_a_single_file_computes_is_what_the_folder_computes(
    folders: dict[Family, Path], tmp_path: Path, family: Family
) -> None:
    path = write_single_file(tmp_path / "model.safetensors", state_of(folders[family], family))
    outputs = [computed(parts) for parts in (parts_of(load(path, family)), stock_parts(folders[family], family))]
    for ours, theirs in zip(*outputs, strict=True):
        # The bits of a sum depend on where in memory its weights lie; those of the weights are compared above.
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def computed(parts: Mapping[str, torch.nn.Module]) -> list[torch.Tensor]:
    """Hidden states and pooled text, a predicted noise, a latent and a picture."""
    ids = torch.tensor([[298, 5, 9, 299, *[0] * 73]])
    texts = [
        parts[name](ids, output_hidden_states=True) for name in ("text_encoder", "text_encoder_2") if name in parts
    ]
    context = torch.cat([text.hidden_states[-2] for text in texts], dim=-1)
    added = {"text_embeds": texts[-1].text_embeds, "time_ids": torch.zeros(1, 6)} if len(texts) > 1 else None
    torch.manual_seed(1)
    noise = parts["unet"](torch.randn(1, 4, 8, 8), torch.tensor([7]), context, added_cond_kwargs=added).sample
    latent = parts["vae"].encode(torch.randn(1, 3, 32, 32)).latent_dist.mean
    return [context, noise, latent, parts["vae"].decode(latent).sample] + ([texts[-1].text_embeds] if added else [])


@EACH_FAMILY
def test_our_names_are_those_of_diffusers_own_converter(
    folders: dict[Family, Path], tmp_path: Path, family: Family
) -> None:
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint

    state, parts = state_of(folders[family], family), parts_of(load(folders[family], family))
    theirs = {
        "unet": convert_ldm_unet_checkpoint(dict(state), parts["unet"].config),
        "vae": convert_ldm_vae_checkpoint(dict(state), parts["vae"].config),
    }
    path = write_single_file(tmp_path / "model.safetensors", state)
    ours = parts_of(load(path, family))
    for part, converted in theirs.items():
        mine = ours[part].state_dict()
        assert mine.keys() == converted.keys()
        assert all(torch.equal(mine[name], weight) for name, weight in converted.items())


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("ending", ["safetensors", "ckpt"])
def test_half_precision_on_disk_becomes_what_training_asks_for(
    folders: dict[Family, Path], tmp_path: Path, stored: torch.dtype, ending: str
) -> None:
    path = write_single_file(tmp_path / f"model.{ending}", state_of(folders[SDXL], SDXL), dtype=stored)
    model, stock = load(path, SDXL, torch.bfloat16), stock_parts(folders[SDXL], SDXL)
    for part, module in parts_of(model).items():
        wanted = torch.bfloat16 if part == "unet" else torch.float32
        theirs = stock[part].state_dict()
        assert {weight.dtype for weight in module.state_dict().values()} == {wanted}
        assert all(torch.equal(w, theirs[name].to(stored).to(wanted)) for name, w in module.state_dict().items())


@pytest.mark.parametrize("only", [True, False])
def test_running_averages_are_taken_where_there_is_nothing_else(
    folders: dict[Family, Path], tmp_path: Path, only: bool
) -> None:
    state = with_ema(state_of(folders[SD1], SD1), only=only)
    if not only:  # then the averages must not matter
        state |= {name: weight * 2 for name, weight in state.items() if name.startswith("model_ema.diffusion_model")}
    path = write_single_file(tmp_path / "model.safetensors", state)
    assert differing(parts_of(load(path, SD1)), stock_parts(folders[SD1], SD1)) == []


def test_the_oldest_files_leave_text_model_out(folders: dict[Family, Path], tmp_path: Path) -> None:
    state = {
        name.replace("transformer.text_model.", "transformer."): w for name, w in state_of(folders[SD1], SD1).items()
    }
    path = write_single_file(tmp_path / "model.safetensors", state)
    assert differing(parts_of(load(path, SD1)), stock_parts(folders[SD1], SD1)) == []


def test_a_tensor_that_was_turned_before_it_was_saved_is_read_as_it_was_meant(
    folders: dict[Family, Path], tmp_path: Path
) -> None:
    state = state_of(folders[SD1], SD1)
    name = "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight"
    state[name] = state[name].T.contiguous().T
    torch.save(state, tmp_path / "model.ckpt")
    assert differing(parts_of(load(tmp_path / "model.ckpt", SD1)), stock_parts(folders[SD1], SD1)) == []


def test_a_checkpoint_that_was_packed_again_with_compression_is_read(
    folders: dict[Family, Path], tmp_path: Path
) -> None:
    path = write_single_file(tmp_path / "plain.ckpt", state_of(folders[SD1], SD1))
    with (
        zipfile.ZipFile(path) as plain,
        zipfile.ZipFile(tmp_path / "m.ckpt", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    assert differing(parts_of(load(tmp_path / "m.ckpt", SD1)), stock_parts(folders[SD1], SD1)) == []


def test_torchs_format_before_1_6_is_read(folders: dict[Family, Path], tmp_path: Path) -> None:
    torch.save(state_of(folders[SD1], SD1), tmp_path / "model.ckpt", _use_new_zipfile_serialization=False)
    assert differing(parts_of(load(tmp_path / "model.ckpt", SD1)), stock_parts(folders[SD1], SD1)) == []


def test_a_file_may_be_replaced_once_it_is_loaded(folders: dict[Family, Path], tmp_path: Path) -> None:
    path = write_single_file(tmp_path / "model.safetensors", state_of(folders[SD1], SD1))
    model = load(path, SD1)
    path.write_bytes(b"\0" * path.stat().st_size)
    path.unlink()
    assert differing(parts_of(model), stock_parts(folders[SD1], SD1)) == []


@pytest.mark.parametrize("name", CUT_DOWN)
def test_cut_down_models_are_loaded_as_their_header_tells(tmp_path: Path, name: str) -> None:
    family, configurations = CUT_DOWN[name]
    torch.manual_seed(5)
    parts = make_parts(configurations)
    path = write_single_file(
        tmp_path / "model.safetensors", ldm_state(family, {k: m.state_dict() for k, m in parts.items()})
    )
    model = load_model(identify(str(path), tmp_path), CPU, torch.float32, prediction_type="epsilon")
    assert differing(parts_of(model), parts) == []


class Enough(Exception):
    """Everything has been found."""


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_weight_of_a_published_model_has_its_place(tmp_path: Path, family: Family) -> None:
    parts = meta_parts(published_configs(family))
    path = write_header_only(tmp_path / "model.safetensors", ldm_state(family, parts), dtype=torch.float16)

    def all_found(done: int, total: int) -> None:
        assert (done, total) == (0, 2 * sum(weight.numel() for state in parts.values() for weight in state.values()))
        raise Enough

    with pytest.raises(Enough):
        load_model(identify(str(path), tmp_path), CPU, torch.float16, prediction_type="epsilon", progress=all_found)


# ---- diffusers folders, with all their history


def folder_with(folders: dict[Family, Path], tmp_path: Path, part: str, family: Family = SD1) -> Path:
    """A copy of a family's folder, and the part that is about to be rewritten."""
    shutil.copytree(folders[family], tmp_path / "model")
    return tmp_path / "model" / part


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


# ---- what is wrong is said before anything is read


def edited(folders: dict[Family, Path], tmp_path: Path, change: Any) -> Path:
    state = state_of(folders[SD1], SD1)
    change(state)
    return write_single_file(tmp_path / "model.safetensors", state)


def test_missing_weights_are_named(folders: dict[Family, Path], tmp_path: Path) -> None:
    def change(state: dict[str, torch.Tensor]) -> None:
        for kind in ("weight", "bias"):
            del state[f"model.diffusion_model.input_blocks.3.0.op.{kind}"]

    with pytest.raises(
        InputError, match=r"lacks 2 of the \d+ weights of its UNet: input_blocks.3.0.op.weight"
    ) as error:
        load(edited(folders, tmp_path, change), SD1)
    assert error.value.code == "model-broken"


def test_weights_that_have_no_place_are_named(folders: dict[Family, Path], tmp_path: Path) -> None:
    def change(state: dict[str, torch.Tensor]) -> None:
        state["model.diffusion_model.input_blocks.1.1.adapter.weight"] = torch.zeros(1)

    with pytest.raises(InputError, match="no place in one of its family: input_blocks.1.1.adapter.weight") as error:
        load(edited(folders, tmp_path, change), SD1)
    assert error.value.code == "model-unsupported"


def test_a_wrong_shape_is_told_with_both_shapes(folders: dict[Family, Path], tmp_path: Path) -> None:
    def change(state: dict[str, torch.Tensor]) -> None:
        state["model.diffusion_model.out.2.bias"] = torch.zeros(9)

    with pytest.raises(InputError, match="out.2.bias of its UNet is 9, where 4 is needed"):
        load(edited(folders, tmp_path, change), SD1)


def test_what_a_training_file_carries_along_does_not_matter(folders: dict[Family, Path], tmp_path: Path) -> None:
    def change(state: dict[str, torch.Tensor]) -> None:
        state |= {
            "alphas_cumprod": torch.zeros(1000),
            "first_stage_model.loss.logvar": torch.zeros(1),
            "cond_stage_model.logit_scale": torch.zeros(()),
            "v_pred": torch.zeros(0),
        }

    path = edited(folders, tmp_path, change)
    assert differing(parts_of(load(path, SD1)), stock_parts(folders[SD1], SD1)) == []


def test_a_checkpoint_of_lightning_is_read_and_a_program_refused(
    folders: dict[Family, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "pytorch_lightning.callbacks.model_checkpoint"
    module = types.ModuleType(name)
    module.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": name})  # type: ignore[attr-defined]
    for package in ("pytorch_lightning", "pytorch_lightning.callbacks", name):
        monkeypatch.setitem(sys.modules, package, module)
    state = state_of(folders[SD1], SD1)
    lightning = {"state_dict": state, "callbacks": {module.ModelCheckpoint: {"best": 1.0}}, "epoch": 3}  # type: ignore[attr-defined]
    torch.save(lightning, tmp_path / "model.ckpt")
    assert differing(parts_of(load(tmp_path / "model.ckpt", SD1)), stock_parts(folders[SD1], SD1)) == []

    torch.save({"state_dict": state, "hook": shutil.rmtree}, tmp_path / "model.ckpt")
    with pytest.raises(InputError, match="shutil.rmtree"):
        load(tmp_path / "model.ckpt", SD1)


def test_a_model_without_a_vae_asks_for_one(folders: dict[Family, Path], tmp_path: Path) -> None:
    components = {part: c for part, c in base_of(tmp_path, SD1).components.items() if part != "vae"}
    path = write_single_file(tmp_path / "model.safetensors", state_of(folders[SD1], SD1))
    with pytest.raises(InputError, match="holds no VAE"):
        load_model(base_of(path, SD1, components=components), CPU, torch.float32)


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


# ---- memory and progress


_PEAK = """
import re, sys
from pathlib import Path
import torch
from tinv_tui.models.identify import identify
from tinv_tui.models.loading import load_model

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

small, large = (identify(path, Path.cwd()) for path in sys.argv[1:])
load_model(small, torch.device("cpu"), torch.float32)  # what the libraries need is not what is asked
Path("/proc/self/clear_refs").write_text("5")  # from here on
before = peak()
load_model(large, torch.device("cpu"), torch.float32)
print(peak() - before)
"""


def test_the_host_holds_a_weight_once(tmp_path: Path) -> None:
    paths = []
    for name, width in (("small", 64), ("large", 512)):
        text = NARROW[SD1]["text_encoder"] | {"hidden_size": width, "vocab_size": 49408}
        unet = NARROW[SD1]["unet"] | {"cross_attention_dim": width}
        parts = make_parts(NARROW[SD1] | {"text_encoder": text, "unet": unet})
        state = ldm_state(SD1, {part: module.state_dict() for part, module in parts.items()})
        paths.append(write_single_file(tmp_path / f"{name}.safetensors", state))
    told = subprocess.run([sys.executable, "-c", _PEAK, *paths], capture_output=True, text=True, check=True)
    assert 0.5 * paths[1].stat().st_size < int(told.stdout) < 1.2 * paths[1].stat().st_size


def test_progress_counts_bytes_up_to_all_of_them(folders: dict[Family, Path], tmp_path: Path) -> None:
    path = write_single_file(tmp_path / "model.safetensors", state_of(folders[SD2], SD2))
    told = list[tuple[int, int]]()
    load(path, SD2, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, told[0][1])
    assert told[-1] == (told[0][1], told[0][1])
    assert told == sorted(told)
    assert 0.8 * path.stat().st_size < told[-1][1] < path.stat().st_size  # the spare layer is not read


def test_loading_ends_when_it_is_told_to(folders: dict[Family, Path], tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(folders[SD1], SD1, progress=stop)
