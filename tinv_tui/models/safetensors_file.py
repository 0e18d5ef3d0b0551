"""Reads the header of a ``.safetensors`` file, and believes none of it unchecked. Of gigabytes only the header is read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, BinaryIO

from tinv_tui.errors import InputError
from tinv_tui.models.number_formats import NUMBER_BYTES
from tinv_tui.models.stored_tensor import StoredTensor, row_major

_LONGEST_HEADER = 2**24
"""Bytes; that of SDXL takes half a million."""
_MOST_TENSORS = 100_000


def read_safetensors(path: Path) -> tuple[dict[str, StoredTensor], dict[str, str]]:
    """The tensors, not read yet (:func:`read_numbers` does), and the metadata. Raises InputError ("safetensors-broken")."""
    try:
        with path.open("rb") as file:
            tensors, metadata = read_header(file)
            end = file.seek(0, 2)
        for key, tensor in tensors.items():
            if tensor.offset + tensor.byte_count > end:
                raise ValueError(f"the numbers of {key[:100]} are missing")
        return tensors, metadata
    except ValueError as error:
        raise InputError(
            "safetensors-broken", f"{path} is not a readable safetensors file: {error}", "Is the download complete?"
        ) from None


def read_header(file: BinaryIO) -> tuple[dict[str, StoredTensor], dict[str, str]]:
    """The tensors and the metadata. Whether the file is as long as they say is for the caller to look at.

    Raises ValueError, whose text goes on from "the file is broken: ".
    """
    end = file.seek(0, 2)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if length < 2:
        raise ValueError("it has no header")
    if length > _LONGEST_HEADER:
        raise ValueError("its header is larger than that of any model")
    if 8 + length > end:
        raise ValueError(f"it is cut off: {end:,} bytes, and its header alone has {8 + length:,}")
    try:
        header = json.loads(file.read(length))
    except RecursionError:
        raise ValueError("its header is nested too deep") from None
    if not isinstance(header, dict) or len(header) > _MOST_TENSORS:
        raise ValueError("its header is no list of tensors")
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict | None):
        raise ValueError("its metadata is no table")
    tensors = {key: _tensor(key, told, 8 + length) for key, told in header.items()}
    _check_apart(tensors)
    return tensors, {key: text for key, text in (metadata or {}).items() if isinstance(text, str)}


def _tensor(key: str, told: Any, start: int) -> StoredTensor:
    try:
        kind, shape, (first, last) = told["dtype"], told["shape"], told["data_offsets"]
        numbers = [first, last, *shape]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{key[:100]} is described in a way that makes no sense") from None
    if not isinstance(kind, str) or any(type(n) is not int or not 0 <= n < 2**48 for n in numbers) or len(shape) > 8:
        raise ValueError(f"{key[:100]} is described in a way that makes no sense")
    if first > last:
        raise ValueError(f"{key[:100]} ends before it begins")
    if kind in NUMBER_BYTES and math.prod(shape) * NUMBER_BYTES[kind] != last - first:
        raise ValueError(f"the numbers of {key[:100]} are not as many as its shape says")
    return StoredTensor(kind, tuple(shape), row_major(tuple(shape)), start + first, last - first)


def _check_apart(tensors: dict[str, StoredTensor]) -> None:
    """Two tensors that share bytes are a mistake, or a file that unfolds to more than it is."""
    before = 0
    for tensor in sorted(tensors.values(), key=lambda tensor: (tensor.offset, tensor.byte_count)):
        if tensor.byte_count and tensor.offset < before:
            raise ValueError("its tensors overlap")
        before = max(before, tensor.offset + tensor.byte_count)
