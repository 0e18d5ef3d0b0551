"""Whatever bytes a file holds: it is read, or one error says why not. Nothing runs, nothing hangs, little memory is taken."""

from __future__ import annotations

import base64
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tinv_tui.embeddings.cards import CHUNK, write_png
from tinv_tui.embeddings.embedding import Embedding
from tinv_tui.embeddings.files import read_embedding, write_embedding
from tinv_tui.embeddings.formats import FORMATS
from tinv_tui.embeddings.pixels import MOST_BYTES, put_in
from tinv_tui.errors import InputError

ROWS = np.random.default_rng(1).standard_normal((2, 768)).astype(np.float32)
SUFFIXES = (".pt", ".safetensors", ".png", ".webp")
often = settings(
    max_examples=120, deadline=20_000, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A good file of each kind; the picture is small, and its PNG has no chunk, so that the pixels are read."""
    folder = tmp_path_factory.mktemp("samples")
    held = Embedding("cat", {"emb_params": ROWS}, 5)
    found = {}
    for name in ("pt", "bin", "safetensors", "webp"):
        path = folder / f"a{FORMATS[name].suffix}"
        write_embedding(path, held, FORMATS[name], picture=Image.new("RGB", (256, 256), (9, 90, 30)))
        found[path.suffix] = path.read_bytes()
    return found


def is_read_or_refused(path: Path, data: bytes) -> Embedding | None:
    path.write_bytes(data)
    try:
        held = read_embedding(path)
    except InputError:
        return None
    assert all(rows.ndim == 2 and rows.dtype == np.float32 for rows in held.vectors.values())
    return held


@often
@given(data=st.binary(max_size=400), start=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x02\0\0\0\0\0\0\0{}"]))
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_bytes(tmp_path: Path, suffix: str, data: bytes, start: bytes) -> None:
    is_read_or_refused(tmp_path / f"a{suffix}", start + data)


@often
@given(data=st.data())
@pytest.mark.parametrize("suffix", [".pt", ".bin", ".safetensors"])
def test_a_good_file_with_bytes_changed_cut_or_doubled(
    tmp_path: Path, samples: dict[str, bytes], suffix: str, data: st.DataObject
) -> None:
    good = bytearray(samples[suffix])
    # Not among the numbers, where any byte is as good as another, but where their places are told.
    heads = {".safetensors": (0, 400), ".pt": (0, 900), ".bin": (0, 500)}[suffix]
    ranges = st.one_of(st.integers(*heads), st.integers(len(good) - 500, len(good) - 1))
    for at in data.draw(st.lists(ranges, min_size=1, max_size=6)):
        good[at % len(good)] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(good)), st.integers(0, len(good))))
    is_read_or_refused(tmp_path / f"a{suffix}", bytes(good[:cut]) * data.draw(st.integers(1, 2)))


OPCODES = [bytes([n]) for n in range(256)]
PIECES = [
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ccollections\nOrderedDict\n",
    b"ctorch\nFloatStorage\n",
    b"cnumpy\ndtype\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
    b"c_codecs\nencode\n",
    b"ctorch.nn.modules.container\nParameterDict\n",
    b"X\x03\x00\x00\x00abc",
    b"X\x07\x00\x00\x00storage",
    b"K\x05",
    b"J\xff\xff\xff\xff",
    b"q\x01",
    b"h\x01",
    b"(",
    b"t",
    b"R",
    b"}",
    b"]",
    b"s",
    b"u",
    b"a",
    b"e",
    b"b",
    b"Q",
    b"\x85",
    b"\x86",
    b"\x87",
]


@often
@given(pieces=st.lists(st.sampled_from(PIECES + OPCODES), max_size=60))
def test_any_pickle_made_of_the_opcodes_there_are(tmp_path: Path, pieces: list[bytes]) -> None:
    is_read_or_refused(tmp_path / "a.pt", _zip(b"\x80\x02" + b"".join(pieces) + b"."))


def _zip(pickled: bytes) -> bytes:
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a/data.pkl", pickled)
        file.writestr("a/data/0", bytes(16))
    return buffer.getvalue()


def safetensors_bytes(header: Any, numbers: int = 64) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(numbers)


def told(kind: Any = "F32", shape: Any = (1, 16), offsets: Any = (0, 64)) -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": offsets}


HEADERS: dict[str, Any] = {
    "offsets beyond the end": {"emb_params": told(offsets=(0, 65))},
    "offsets backwards": {"emb_params": told(offsets=(64, 0))},
    "negative offsets": {"emb_params": told(offsets=(-64, 0))},
    "offsets that are no numbers": {"emb_params": told(offsets=("0", "64"))},
    "three offsets": {"emb_params": told(offsets=(0, 1, 64))},
    "a giant shape": {"emb_params": told(shape=(2**40, 2**40))},
    "a shape whose product wraps": {"emb_params": told(shape=(2**32, 2**32, 0))},
    "a negative shape": {"emb_params": told(shape=(-1, -16))},
    "a shape of text": {"emb_params": told(shape="16")},
    "a shape of truth": {"emb_params": told(shape=(True, 16))},
    "a hundred axes": {"emb_params": told(shape=(1,) * 100 + (16,))},
    "another number format": {"emb_params": told(kind="F4")},
    "no number format": {"emb_params": told(kind=3)},
    "tensors that overlap": {"clip_l": told(), "clip_g": told()},
    "no tensors": {},
    "a list": [],
    "a number": 3,
    "metadata that is a list": {"__metadata__": [], "emb_params": told()},
    "keys missing": {"emb_params": {"dtype": "F32"}},
    "braces a thousand deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "no JSON": b"{" + b"x" * 100,
    "not text": b"{\xff\xfe\xfd}",
    "a number without end": b'{"emb_params":{"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,64]}}',
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_header_that_lies(tmp_path: Path, header: Any) -> None:
    assert is_read_or_refused(tmp_path / "a.safetensors", safetensors_bytes({"emb_params": told()})) is not None
    assert is_read_or_refused(tmp_path / "a.safetensors", safetensors_bytes(header)) is None


@pytest.mark.parametrize("length", [0, 1, 2**24 + 1, 2**32, 2**63, 2**64 - 1])
def test_a_header_as_long_as_it_likes(tmp_path: Path, length: int) -> None:
    assert is_read_or_refused(tmp_path / "a.safetensors", struct.pack("<Q", length) + b"{}" + bytes(50)) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
cards = st.one_of(
    json_values,
    st.fixed_dictionaries(
        {"string_to_param": st.dictionaries(st.text(max_size=3), st.fixed_dictionaries({"TORCHTENSOR": json_values}))},
        optional={"name": json_values, "step": json_values, "sd_checkpoint": json_values},
    ),
)


@often
@given(content=cards, garbage=st.binary(max_size=30), encoded=st.booleans())
def test_a_chunk_that_says_anything(tmp_path: Path, content: Any, garbage: bytes, encoded: bool) -> None:
    text = base64.b64encode(json.dumps(content).encode() + garbage * (not encoded)).decode()
    write_png(tmp_path / "b.png", Image.new("RGB", (4, 4)), {CHUNK: text if encoded else text[1:]})
    is_read_or_refused(tmp_path / "a.png", (tmp_path / "b.png").read_bytes())


@often
@given(payload=st.one_of(st.binary(max_size=60), cards.map(lambda content: json.dumps(content).encode())))
def test_pixels_that_say_anything(tmp_path: Path, payload: bytes) -> None:
    put_in(Image.new("RGB", (8, 8), (200, 10, 10)), payload, ROWS[0]).save(tmp_path / "b.png")
    is_read_or_refused(tmp_path / "a.png", (tmp_path / "b.png").read_bytes())


def bombs() -> dict[str, tuple[str, bytes]]:
    """Small files that would be large, or would run something, if they were believed."""
    bomb = put_in(Image.new("RGB", (64, 64), (200, 10, 10)), bytes(4 * MOST_BYTES), ROWS[0])
    picture = io.BytesIO()
    bomb.save(picture, "PNG")
    text = io.BytesIO()
    Image.new("RGB", (4, 4)).save(text, "PNG")
    packed = zlib.compress(b"A" * 150_000_000, 9)
    chunk = b"zTXt" + CHUNK.encode() + b"\0\0" + packed
    data = text.getvalue()
    data = data[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]
    doubled = b"\x80\x02)" + b"".join(b"q%ch%c\x86" % (n, n) for n in range(250)) + b"."
    lists = b'{"string_to_param":{"*":{"TORCHTENSOR":[' + b"[]," * (MOST_BYTES // 3 - 20) + b"[]]}}}"
    many = io.BytesIO()
    put_in(Image.new("RGB", (64, 64), (200, 10, 10)), lists, ROWS[0]).save(many, "PNG")
    wide = io.BytesIO()
    Image.new("RGB", (4400, 4400), (200, 10, 10)).save(wide, "PNG")
    return {
        "pixels": (".png", picture.getvalue()),
        "lists": (".png", many.getvalue()),
        "wide": (".png", wide.getvalue()),
        "chunk": (".png", data),
        "pickle": (".pt", _zip(doubled)),
        "packed": (".pt", _packed(bytes(250_000_000))),
        "keys": (".pt", _zip(b"\x80\x02}X" + struct.pack("<I", 1_900_000) + b"k" * 1_900_000 + SHARED)),
        "encodes": (".pt", _packed(ENCODED)),
        "calls": (".pt", _zip(pickle.dumps(_Touch(), 2))),
    }


SHARED = b"](" + b"K\x01" * 20_000 + b"es."
"""A list below one key, whose name stands before that of each item."""
ENCODED = (
    b"\x80\x02c_codecs\nencode\nq\x00X" + struct.pack("<I", 4_000_000) + b"a" * 4_000_000 + b"X\x06\x00\x00\x00latin1"
    b"\x86q\x01](" + b"h\x00h\x01R" * 3000 + b"e."
)  # fmt: skip
"""A list of one long text, encoded again and again."""


class _Touch:
    def __reduce__(self) -> Any:
        return os.system, ("touch mark",)


def _packed(content: bytes) -> bytes:
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/data.pkl", content)
    return buffer.getvalue()


READ_IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
import numpy, PIL.Image, PIL.PngImagePlugin
from tinv_tui.embeddings.files import read_embedding
from tinv_tui.errors import InputError
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 350_000_000,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
for name in sys.argv[1:]:
    try:
        read_embedding(Path(name))
    except InputError as error:
        print(Path(name).name, error.code)
"""


def test_bombs_are_refused_in_little_memory_and_time_and_nothing_runs(tmp_path: Path) -> None:
    files = []
    for name, (suffix, data) in bombs().items():
        assert len(data) < 2_000_000
        files.append(tmp_path / f"{name}{suffix}")
        files[-1].write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", READ_IN_LITTLE_MEMORY, *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert dict(line.split() for line in done.stdout.splitlines()) == {
        "pixels.png": "embedding-broken",
        "lists.png": "embedding-broken",
        "wide.png": "no-embedding",
        "chunk.png": "embedding-broken",
        "pickle.pt": "embedding-broken",
        "packed.pt": "embedding-broken",
        "keys.pt": "embedding-broken",
        "encodes.pt": "embedding-broken",
        "calls.pt": "embedding-unsafe",
    }
    assert not (tmp_path / "mark").exists()
