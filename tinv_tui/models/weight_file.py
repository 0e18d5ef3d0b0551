"""Reads what tensors a file of weights holds, of safetensors or of torch, from its header and without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tinv_tui.errors import InputError
from tinv_tui.models.no_weights import AGAIN, what_came_instead
from tinv_tui.models.number_formats import FLOAT_BYTES
from tinv_tui.models.safetensors_file import read_header
from tinv_tui.models.torch_file import StoredTensor, read_numbers, read_torch_file, tensors_in

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LONGEST_HEADER = 100_000_000
"""Of a safetensors file, by its specification."""


@dataclass(frozen=True)
class WeightFile:
    """The tensors of a file by name, none of them read."""

    path: Path
    tensors: Mapping[str, StoredTensor] = field(repr=False)
    """Without the "state_dict." that torch's checkpoints put in front. ``kind`` is the header's, also one we cannot read."""
    metadata: Mapping[str, str] = field(default_factory=dict)

    def shapes(self, prefix: str = "") -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors whose names begin so, by what follows."""
        return {n.removeprefix(prefix): t.shape for n, t in self.tensors.items() if n.startswith(prefix)}


def read_weight_file(path: Path, key: str = "model.path") -> WeightFile:
    """Read a header, of whichever kind the content is. Raises InputError that names ``key`` and says what it is instead."""
    try:
        with path.open("rb") as file:
            start = file.read(256)
            size = file.seek(0, 2)
            length = int.from_bytes(start[:8], "little")
            if start[8:9] == b"{" and length <= _LONGEST_HEADER:
                return _safetensors(path, file, size)
    except OSError as error:
        raise InputError("model-broken", f"{key}: {path}: {error.strerror or error}", "") from None
    except ValueError as error:
        raise InputError(
            "model-broken",
            f"{key}: {path} is not a readable safetensors file: {error}",
            f"Is the download complete? {AGAIN}",
        ) from None
    if start[:4] == b"PK\x03\x04" or start[:1] == b"\x80":
        return _torch_file(path, key)
    raise _no_weights(path, key, start)


def read_rows(path: Path, stored: StoredTensor, rows: Sequence[int]) -> NDArray[np.float32]:
    """Some rows of a table [count, width], and of the file nothing else. Raises InputError, OSError, ValueError."""
    import numpy as np

    if stored.kind not in FLOAT_BYTES:
        raise ValueError(f"its token table holds {stored.kind} numbers")
    count, width = stored.shape
    if any(not 0 <= row < count for row in rows):
        raise ValueError(f"its token table has {count} rows, its tokenizer more")
    number = FLOAT_BYTES[stored.kind]
    step, apart = stored.stride
    if len(rows) > 1 and list(rows) == list(range(rows[0], rows[0] + len(rows))):  # a block of the table: read at once
        numbers = (len(rows) - 1) * step + (width - 1) * apart + 1
        block = replace(
            stored,
            shape=(len(rows), width),
            offset=stored.offset + rows[0] * step * number,
            byte_count=numbers * number,
        )
        return read_numbers(path, block)
    found = np.empty((len(rows), width), np.float32)
    for position, row in enumerate(rows):
        one = replace(
            stored,
            shape=(width,),
            stride=(apart,),
            offset=stored.offset + row * step * number,
            byte_count=((width - 1) * apart + 1) * number,
        )
        found[position] = read_numbers(path, one)
    return found


def _safetensors(path: Path, file: BinaryIO, size: int) -> WeightFile:
    """Raises ValueError."""
    tensors, metadata = read_header(file)
    end = max([file.tell(), *(tensor.offset + tensor.byte_count for tensor in tensors.values())])
    if end != size:
        what = "cut off" if size < end else "too long"
        raise ValueError(f"it is {what}: {size:,} bytes, and its header says {end:,}")
    return WeightFile(path, tensors, metadata)


def _torch_file(path: Path, key: str) -> WeightFile:
    try:
        tensors = tensors_in(read_torch_file(path))
    except InputError as error:
        code = "model-broken" if error.code == "torch-file-broken" else error.code
        raise InputError(code, f"{key}: {error.message}", error.hint) from None
    except OSError as error:
        raise InputError("model-broken", f"{key}: {path}: {error.strerror or error}", "") from None
    return WeightFile(path, {name.removeprefix("state_dict."): tensor for name, tensor in tensors.items()})


def _no_weights(path: Path, key: str, start: bytes) -> InputError:
    if came := what_came_instead(start):
        return InputError("model-broken", f"{key}: {path} is {came[0]}", came[1])
    if start.startswith(b"GGUF"):
        return InputError(
            "model-unsupported",
            f"{key}: {path} is GGUF, quantised weights: not supported",
            "Use the .safetensors file.",
        )
    return InputError("model-format", f"{key}: {path} is neither a safetensors file nor one of torch", AGAIN)
