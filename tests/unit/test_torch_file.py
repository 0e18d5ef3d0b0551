"""Reading torch's files without torch: the same as torch.load(weights_only=True) gives, and nothing is ever called."""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tinv_tui.errors import InputError
from tinv_tui.models import torch_file
from tinv_tui.models.torch_file import StoredTensor, read_numbers, read_torch_file, tensors_in

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


def write(path: Path, value: Any, zipped: bool = True) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


def refused(path: Path, code: str = "torch-file-broken") -> InputError:
    with pytest.raises(InputError) as caught:
        read_torch_file(path)
    assert (caught.value.code, str(path) in caught.value.message) == (code, True)
    return caught.value


def zipped_pickle(path: Path, data: bytes, more: dict[str, bytes] | None = None, packed: bool = False) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file:
        for name, content in {"a/data.pkl": data, "a/version": b"3\n", **(more or {})}.items():
            file.writestr(name, content)
    return path


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


# --- what is hostile, and what is broken ---------------------------------------------------------------------------------


class Calls:
    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("function", [os.system, eval, exec, __import__, getattr, print])
def test_nothing_is_called_whatever_the_pickle_asks_for(
    tmp_path: Path, function: Callable[..., Any], protocol: int
) -> None:
    mark = tmp_path / "mark"
    data = pickle.dumps({"a": Calls(function, f"touch {mark}")}, protocol)
    error = refused(zipped_pickle(tmp_path / "a.pt", data), "torch-file-unsafe")
    assert f".{function.__name__}: refused" in error.message
    assert not mark.exists()


def test_the_older_container_is_no_way_around_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pt", {"a": Calls(os.system, "true")}, zipped=False)
    refused(path, "torch-file-unsafe")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(Calls(os.system, "true"), 2))  # where the magic number should be
    refused(tmp_path / "b.pt", "torch-file-unsafe")


@pytest.mark.parametrize(
    "name", [b"torch.hub\nload", b"torch._utils\n__builtins__", b"builtins\ndict.update", b"torch\nload", b"a b\nc"]
)
def test_a_name_like_a_known_one_is_not_known(tmp_path: Path, name: bytes) -> None:
    refused(zipped_pickle(tmp_path / "a.pt", b"\x80\x02c" + name + b"\n)R."), "torch-file-unsafe")


def tensor_pickle(numel: int, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """A pickle that says all this of a tensor, true or not."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            return ("storage", torch.FloatStorage, "0", "cpu", numel) if value == "the storage" else None

    buffer = io.BytesIO()
    rebuilt = torch._utils._rebuild_tensor_v2, ("the storage", offset, shape, stride, False, collections.OrderedDict())
    Pickler(buffer, 2).dump(Calls(*rebuilt[:1], *rebuilt[1]))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("numel", "offset", "shape", "stride"),
    [
        (4, 0, (5,), (1,)),
        (5, 0, (4,), (1,)),
        (4, 1, (4,), (1,)),
        (4, 0, (2,), (4,)),
        (4, -1, (2,), (1,)),
        (4, 0, (-2,), (1,)),
        (4, 0, (2,), (-1,)),
        (4, 0, (2, 2), (1,)),
        (4, 2**60, (1,), (1,)),
        (-4, 0, (1,), (1,)),
        (4, 0, (1,) * 9, (1,) * 9),
    ],
)
def test_a_tensor_that_reaches_beyond_its_numbers_is_refused(
    tmp_path: Path, numel: int, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    good = zipped_pickle(tmp_path / "good.pt", tensor_pickle(4, 0, (4,), (1,)), {"a/data/0": bytes(16)})
    assert isinstance(read_torch_file(good), StoredTensor)
    refused(zipped_pickle(tmp_path / "a.pt", tensor_pickle(numel, offset, shape, stride), {"a/data/0": bytes(16)}))


def test_one_number_that_claims_to_be_a_trillion_is_not_unfolded(tmp_path: Path) -> None:
    data = tensor_pickle(4, 0, (1_000_000, 1_000_000), (0, 0))
    path = zipped_pickle(tmp_path / "a.pt", data, {"a/data/0": bytes(16)})
    with pytest.raises(InputError, match="too large"):
        read_numbers(path, read_torch_file(path))


def exponential(levels: int) -> bytes:
    """Tuples of the same tuple twice: a few bytes that stand for 2 to the power of ``levels``."""
    return b"\x80\x02)" + b"".join(b"q%ch%c\x86" % (n, n) for n in range(levels)) + b"."


HOSTILE = {
    "a memo that grows without end": exponential(200),
    "deep nesting": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "a list within itself": b"\x80\x02]q\x00h\x00a.",
    "a dict of itself": b"\x80\x02}q\x00K\x01h\x00s.",
    "a frame beyond the end": b"\x80\x04\x95" + b"\xff" * 8 + b".",
    "a text beyond the end": b"\x80\x04\x8d" + b"\xff" * 7 + b"\x0f.",
    "a number of megabytes": b"\x80\x02\x8b" + struct.pack("<i", 3_000_000) + b"\x01" * 3_000_000 + b".",
    "a negative length": b"\x80\x02\x8b" + struct.pack("<i", -1) + b".",
    "millions of opcodes": b"\x80\x02" + b"N0" * 3_000_000 + b"N.",
    "a memo that is not there": b"\x80\x02h\x05.",
    "an empty stack": b"\x80\x02.",
    "a mark that is not there": b"\x80\x02t.",
    "more taken than there is": b"\x80\x02K\x01\x87.",
    "a list as a key": b"\x80\x02}]K\x01s.",
    "a key of 200 bits": b"\x80\x02}\x8a\x19" + b"\x11" * 25 + b"K\x01s.",
    "no end": b"\x80\x02K\x01",
    "an opcode nobody writes": b"\x80\x02\xff.",
    "a text number of digits": b"I" + b"9" * 100_000 + b"\n.",
    "an extension": b"\x80\x02\x82\x01.",
    "an instance": b"\x80\x02(ios\nsystem\n.",
    "an object": b"\x80\x02(cos\nsystem\no.",
    "state for a number": b"\x80\x02K\x01K\x02b.",
    "a call of a number": b"\x80\x02K\x01)R.",
    "a list that is no list": b"\x80\x02}K\x01a.",
    "a storage of nothing": b"\x80\x02NQ.",
    "nothing": b"",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("packed", [False, True], ids=["", "packed"])
def test_a_hostile_pickle_ends_in_one_error_soon_and_in_little_memory(
    tmp_path: Path, data: bytes, packed: bool
) -> None:
    path = zipped_pickle(tmp_path / "a.pt", data, packed=packed)
    started = time.monotonic()
    with pytest.raises(InputError):
        read_torch_file(path)
    assert time.monotonic() - started < 20
    path.write_bytes(data)
    with pytest.raises(InputError):
        read_torch_file(path)


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = zipped_pickle(tmp_path / "a.pt", bytes(200_000_000), packed=True)
    assert path.stat().st_size < 1_000_000
    tracemalloc.start()
    refused(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30_000_000


def said(words: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(words)) + words


def called(name: bytes, arguments: bytes, times: int) -> bytes:
    """A list of what so many calls with the same arguments make."""
    return b"c" + name + b"\nq\x00" + arguments + b"q\x01](" + b"h\x00h\x01R" * times + b"e"


MANY = b"(" + b"K\x01" * 200_000 + b"t"
PAIRS = b"](K\x01K\x02\x86q\x02" + b"h\x02" * 200_000 + b"e"
LONG = said(b"a" * 8_000_000)
LONG_LISTED = LONG + b"q\x010](" + b"h\x01" * 300 + b"e"
SHARED = {
    "a text that is encoded": called(b"_codecs\nencode", LONG + said(b"latin1") + b"\x86", 3000),
    "a tuple that is listed": called(b"builtins\nset", MANY + b"\x85", 3000),
    "a tuple that is a size": called(b"torch\nSize", MANY + b"\x85", 3000),
    "pairs that all say the same": called(b"collections\nOrderedDict", PAIRS + b"\x85", 20_000),
    "arguments that nobody reads": called(b"builtins\ndict", MANY, 200_000),
    "a kind of number that is a list": b"cnumpy\ndtype\n" + LONG_LISTED + b"\x85R",
    "a storage that is called by a list": b"("
    + said(b"storage")
    + b"ctorch\nFloatStorage\n"
    + LONG_LISTED
    + b"NK\x04tQ",
    "a module that is called by a list": LONG_LISTED + said(b"load") + b"\x93",
}


@pytest.mark.parametrize("data", SHARED.values(), ids=SHARED)
def test_what_is_large_once_is_not_made_thousands_of_times(tmp_path: Path, data: bytes) -> None:
    path = zipped_pickle(tmp_path / "a.ckpt", b"\x80\x04" + data + b".", packed=True)
    assert path.stat().st_size < 30_000
    began = time.process_time()
    tracemalloc.start()
    refused(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 250_000_000
    assert time.process_time() - began < 20


def test_a_file_that_memory_does_not_hold_is_broken_for_whoever_lists_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(torch_file, "interpret", full)
    assert "more memory than there is" in refused(write(tmp_path / "a.pt", {})).message


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
