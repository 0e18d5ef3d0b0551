"""Torch files that were made to harm: nothing is called, and no few bytes become many."""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.torch_files import refused, write, zipped_pickle
from tinv_tui.errors import InputError
from tinv_tui.models import torch_file
from tinv_tui.models.torch_file import StoredTensor, read_numbers, read_torch_file


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
