"""A tensor that was not read yet, and its reading. Needs no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tinv_tui.errors import InputError
from tinv_tui.models.number_formats import NUMBER_BYTES, as_fp32
from tinv_tui.models.zip_members import list_members, read_member

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_NUMBERS = 2**28
"""Of one tensor: a gigabyte as fp32."""


@dataclass(frozen=True)
class StoredTensor:
    """Where in a file a tensor's numbers lie."""

    kind: str
    """A name of safetensors' for a number format; those of :data:`NUMBER_BYTES` can be read."""
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    """In numbers, not bytes."""
    offset: int
    """Of the first number, in bytes from the start of ``source``."""
    byte_count: int
    """From the first number to the end of the last; less than the shape says where rows are shared."""
    source: str | bytes | None = field(default=None, repr=False)
    """None: the file itself. A string: the compressed zip member of this name. Bytes: the numbers, which stood in the
    file's pickle."""


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a tensor whose numbers lie in a row."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def read_numbers(path: Path, stored: StoredTensor) -> NDArray[np.float32]:
    """The tensor's numbers, fp32, in its shape. Raises InputError ("tensor-broken"), OSError."""
    import numpy as np

    try:
        if stored.kind not in NUMBER_BYTES:
            raise ValueError(f"it holds {stored.kind} numbers, which cannot be read")
        count = math.prod(stored.shape)
        if count > _MOST_NUMBERS or stored.byte_count > _MOST_NUMBERS * NUMBER_BYTES[stored.kind]:
            raise ValueError(f"a tensor of {' x '.join(map(str, stored.shape))} is too large")
        if not count:
            return np.empty(stored.shape, np.float32)
        data = _bytes_of(path, stored)
        if len(data) != stored.byte_count:
            raise ValueError("it is cut off")
        strides = [4 * step for step in stored.stride]
        view = np.lib.stride_tricks.as_strided(as_fp32(data, stored.kind), stored.shape, strides, writeable=False)
        return np.array(view, order="C")
    except ValueError as error:
        raise InputError("tensor-broken", f"{path}: {error}", "Is the download complete?") from None


def _bytes_of(path: Path, stored: StoredTensor) -> bytes:
    start, end = stored.offset, stored.offset + stored.byte_count
    if isinstance(stored.source, bytes):
        return stored.source[start:end]
    with path.open("rb") as file:
        if stored.source is not None:
            return read_member(file, list_members(file)[stored.source], 4 * _MOST_NUMBERS)[start:end]
        file.seek(start)
        return file.read(stored.byte_count)
