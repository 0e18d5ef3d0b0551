"""Of the weights that a part's folder holds several times, one set is loaded; it is the one counted and hashed too."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.unit.test_families import SD15, make_model
from tinv_tui.errors import InputError
from tinv_tui.models.hashes import hashed_files, known_hash, model_hash
from tinv_tui.models.identify import identify
from tinv_tui.models.part_files import is_half, part_files

TWINS = (
    "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.non_ema.safetensors",
    "diffusion_pytorch_model.non_ema.bin",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.fp16.bin",
    "another.safetensors",
)


def write_shards(folder: Path, index: str, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(name.encode())
    (folder / index).write_text(json.dumps({"weight_map": {f"w{number}": name for number, name in enumerate(names)}}))


@pytest.mark.parametrize("twin", TWINS)
def test_twins_of_the_weights_change_neither_bytes_nor_hash(tmp_path: Path, twin: str) -> None:
    folder = make_model(tmp_path / "model", SD15, "diffusion_pytorch_model.safetensors")
    make_model(folder, SD15, twin)
    (folder / "unet" / twin).write_bytes(b"a twin")
    model = identify("model", tmp_path)
    assert (model.weight_bytes, model.variant) == (300, None)
    assert hashed_files(folder) == part_files(folder / "unet")
    assert model_hash(folder) == hashlib.sha256(b"x" * 100).hexdigest()[:10]


def test_pickled_weights_have_twins_too(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model", SD15, "pytorch_model.bin")
    make_model(folder, SD15, "pytorch_model.fp16.bin")
    assert identify("model", tmp_path).weight_bytes == 300


@pytest.mark.parametrize(
    ("index", "shard"),
    [
        ("model.safetensors.index.json", "model-0000{}-of-00002.safetensors"),
        ("model.safetensors.index.fp16.json", "model.fp16-0000{}-of-00002.safetensors"),
        ("model.fp16.safetensors.index.json", "model-0000{}-of-00002.fp16.safetensors"),
    ],
)
def test_shards_are_those_of_the_index_and_no_others(tmp_path: Path, index: str, shard: str) -> None:
    names = [shard.format(number) for number in (1, 2)]
    write_shards(tmp_path / "unet", index, *reversed(names))
    (tmp_path / "unet" / "model.non_ema-00001-of-00002.safetensors").write_bytes(b"a twin")
    assert [file.name for file in part_files(tmp_path / "unet")] == names
    assert [is_half(tmp_path / name) for name in names] == ["fp16" in index] * 2
    assert model_hash(tmp_path) == hashlib.sha256("".join(names).encode()).hexdigest()[:10]


def test_shards_of_which_one_is_missing_are_broken_and_their_hash_is_not_known(tmp_path: Path) -> None:
    write_shards(tmp_path / "unet", "model.safetensors.index.json", "a.safetensors", "b.safetensors")
    (tmp_path / "unet" / "b.safetensors").unlink()
    with pytest.raises(InputError, match=r"b\.safetensors is missing"):
        part_files(tmp_path / "unet")
    assert known_hash(tmp_path) is None


def test_a_link_whose_file_was_taken_away_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"model\.safetensors: No such file"):
        part_files(tmp_path)
