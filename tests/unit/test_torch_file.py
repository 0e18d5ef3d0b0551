"""Reading torch's files without torch: the same as torch.load(weights_only=True) gives; what is broken is said."""

from __future__ import annotations

import collections
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.torch_files import refused, write, zipped_pickle
from tinv_tui.models.torch_file import read_numbers, read_torch_file, tensors_in

KINDS = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
]


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_tensors_of_every_kind_read_as_torch_reads_them(tmp_path: Path, zipped: bool, kind: torch.dtype) -> None:
    base = (torch.randn(6, 8) * 3).to(kind)
    held = {
        "whole": base,
        "rows": base[2:5],
        "columns": base[:, 1:7:2],
        "turned": base.t(),
        "row": base[3],
        "number": base[1, 1],
        "none": base[:0],
        "spread": base[:1].expand(4, 8),
    }
    path = write(tmp_path / "a.pt", held, zipped)
    loaded = torch.load(path, weights_only=True)
    found = tensors_in(read_torch_file(path))
    assert list(found) == list(loaded)
    for name, tensor in loaded.items():
        assert found[name].shape == tuple(tensor.shape)
        assert np.array_equal(read_numbers(path, found[name]), tensor.float().numpy()), name


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_everything_else_an_embedding_or_checkpoint_holds_reads_as_plain_data(tmp_path: Path, zipped: bool) -> None:
    ordered = collections.OrderedDict([("b", 2.5), ("a", [1, (2, None)])])
    ordered.note = "an attribute"  # type: ignore[attr-defined]
    held = {"text": "猫", 7: True, "big": 2**40, "less": -3, "ordered": ordered, "size": torch.Size([2, 3])}
    read = read_torch_file(write(tmp_path / "a.pt", held, zipped))
    assert read == {**held, "size": (2, 3), "ordered": dict(ordered)}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_parameters_and_their_dict_are_the_tensors_in_them(tmp_path: Path, zipped: bool) -> None:
    rows = torch.nn.Parameter(torch.randn(2, 4))
    path = write(tmp_path / "a.pt", {"p": torch.nn.ParameterDict({"*": rows}), "q": rows}, zipped)
    found = tensors_in(read_torch_file(path))
    assert list(found) == ["p.*", "q"]
    assert np.array_equal(read_numbers(path, found["p.*"]), rows.detach().numpy())


def test_two_tensors_that_share_a_storage_both_read(tmp_path: Path) -> None:
    base = torch.arange(12.0)
    path = write(tmp_path / "a.pt", [base, base[4:8].view(2, 2)], zipped=False)
    first, second = tensors_in(read_torch_file(path)).values()
    assert read_numbers(path, first).tolist() == base.tolist()
    assert read_numbers(path, second).tolist() == [[4, 5], [6, 7]]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol_torch_can_write_is_read(tmp_path: Path, protocol: int) -> None:
    torch.save({"a": torch.ones(3), "b": [1, 2]}, tmp_path / "a.pt", pickle_protocol=protocol)
    assert read_torch_file(tmp_path / "a.pt")["b"] == [1, 2]


def test_numpy_numbers_of_old_trainers_are_numbers(tmp_path: Path) -> None:
    held = {"loss": np.float64(0.125), "step": np.int64(-7), "half": np.float16(2.5)}
    assert read_torch_file(write(tmp_path / "a.pt", held)) == {"loss": 0.125, "step": -7, "half": 2.5}


def test_the_tensor_of_a_device_without_storages_is_read(tmp_path: Path) -> None:
    """Tensors trained on a Mac or with DirectML stand in the pickle itself, as NumPy's arrays."""

    class Elsewhere:
        def __reduce__(self) -> tuple[Any, ...]:
            rows = np.arange(6, dtype=np.float32).reshape(2, 3)
            return torch._utils._rebuild_device_tensor_from_numpy, (rows, torch.float32, "cpu", False)

    path = write(tmp_path / "a.pt", {"*": Elsewhere()})
    assert read_numbers(path, read_torch_file(path)["*"]).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_class_of_lightning_in_an_old_checkpoint_is_passed_over(tmp_path: Path) -> None:
    name = b"cpytorch_lightning.callbacks.model_checkpoint\nModelCheckpoint\n"
    data = b"\x80\x02}X\x01\x00\x00\x00a}" + name + b"K\x07ss."
    (inner,) = read_torch_file(zipped_pickle(tmp_path / "a.ckpt", data)).values()
    assert list(inner.values()) == [7]


def test_listing_a_checkpoint_of_gigabytes_reads_only_its_pickle(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ckpt", {"state_dict": {"a": torch.zeros(25_000_000), "b": torch.ones(2, 2)}})
    tracemalloc.start()
    found = tensors_in(read_torch_file(path))
    numbers = read_numbers(path, found["state_dict.b"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found["state_dict.a"].byte_count, numbers.tolist()) == (100_000_000, [[1, 1], [1, 1]])
    assert peak < 2_000_000
    with path.open("rb") as file:
        file.seek(found["state_dict.b"].offset)
        assert np.frombuffer(file.read(16), "<f4").tolist() == [1, 1, 1, 1]


def test_a_compressed_file_is_read_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pt", {"*": torch.arange(10.0)})
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    stored = read_torch_file(tmp_path / "b.pt")["*"]
    assert read_numbers(tmp_path / "b.pt", stored).tolist() == list(range(10))


@pytest.mark.parametrize("lie", [0, 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("place", [20, 24, 42], ids=["packed size", "size", "offset"])
@pytest.mark.parametrize("packed", [False, True], ids=["", "packed"])
def test_a_zip_directory_that_lies_is_found_out(tmp_path: Path, place: int, lie: int, packed: bool) -> None:
    path = zipped_pickle(tmp_path / "a.pt", pickle.dumps(["x" * 50] * 3, 2), packed=packed)
    data = bytearray(path.read_bytes())
    if place == 42 and lie == 0:
        lie = 7  # the first member lies at 0
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + place, lie)
    path.write_bytes(data)
    refused(path)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_download_that_was_cut_off_is_broken_at_every_length(tmp_path: Path, zipped: bool) -> None:
    whole = write(tmp_path / "whole.pt", {"*": torch.randn(3, 4), "step": 5}, zipped).read_bytes()
    path = tmp_path / "a.pt"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        refused(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"<!DOCTYPE html>", "web page"), (b"version https://git-lfs", "pointer"), (b"\x00" * 40, "download complete")],
)
def test_what_is_no_torch_file_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    assert said in refused(tmp_path / "a.pt").hint


def test_a_big_endian_file_is_not_misread(tmp_path: Path) -> None:
    path = zipped_pickle(tmp_path / "a.pt", pickle.dumps({}, 2), {"a/byteorder": b"big"})
    assert "big-endian" in refused(path).message
