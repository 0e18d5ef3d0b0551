"""Base models in memory: the same weights and outputs from a folder and from a single file, of every family."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from tests.checkpoints import ldm_state, make_parts, meta_parts, with_ema, write_header_only, write_single_file
from tests.loaded_models import CONFIGURATIONS, CPU, differing, load, parts_of, random_folders, state_of, stock_parts
from tests.model_files import CUT_DOWN, NARROW
from tinv_tui.models.families import FAMILIES, SD1, SD2, SDXL, Family
from tinv_tui.models.identify import identify
from tinv_tui.models.loading import load_model
from tinv_tui.models.published import published_configs

EACH_FAMILY = pytest.mark.parametrize("family", CONFIGURATIONS, ids=lambda family: family.name)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Family, Path]:
    return random_folders(tmp_path_factory)


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
