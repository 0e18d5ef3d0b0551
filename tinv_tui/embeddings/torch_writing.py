"""Writes a dict of tensors as ``torch.save`` did years ago, without torch, so that A1111's checks let it pass.

A1111 of 2023 and 2024 refuses a file with any member but ``data.pkl``, ``version`` and ``data/<n>`` (reference a1111 §2.3),
and today's torch.save writes four more. The same content is the same bytes: nothing tells the time.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STORAGES = {"float32": "FloatStorage", "float16": "HalfStorage"}
_NO_DATE = (1980, 1, 1, 0, 0, 0)


def torch_bytes(content: Mapping[str, Any]) -> bytes:
    """The file's bytes. Values are text, whole numbers, None, dicts, and arrays of fp32 or fp16."""
    arrays: list[NDArray[Any]] = []
    pickle = b"\x80\x02" + _value(dict(content), arrays) + b"."
    members = {"archive/data.pkl": pickle}
    members |= {f"archive/data/{number}": array.tobytes() for number, array in enumerate(arrays)}
    members["archive/version"] = b"3\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name, _NO_DATE)
            entry.create_system = 0  # the same on every system
            file.writestr(entry, data)
    return buffer.getvalue()


def _value(value: Any, arrays: list[NDArray[Any]]) -> bytes:
    """The opcodes that put a value on the stack."""
    if value is None:
        return b"N"
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        return b"X" + struct.pack("<I", len(text)) + text
    if isinstance(value, int):
        return _whole(value)
    if isinstance(value, np.ndarray):
        arrays.append(np.ascontiguousarray(value))
        return _tensor(arrays[-1], len(arrays) - 1)
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__} has no place in an embedding file")
    items = b"".join(_value(key, arrays) + _value(item, arrays) for key, item in value.items())
    return b"}(" + items + b"u"


def _whole(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def _tensor(array: NDArray[Any], number: int) -> bytes:
    """A call of torch's own function, with a storage that the reader looks up in the zip file."""
    storage = (
        b"(" + _value("storage", []) + f"ctorch\n{_STORAGES[str(array.dtype)]}\n".encode()
        + _value(str(number), []) + _value("cpu", []) + _whole(array.size) + b"tQ"
    )  # fmt: skip
    strides = [step // array.itemsize for step in array.strides]
    shape = b"(" + b"".join(map(_whole, array.shape)) + b"t(" + b"".join(map(_whole, strides)) + b"t"
    hooks = b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + _whole(0) + shape + b"\x89" + hooks + b"tR"
