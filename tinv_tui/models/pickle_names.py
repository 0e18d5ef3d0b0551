"""The names that torch's pickles mention, and the plain data that stands in for each. Nothing of torch is called.

What is not in the table is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinv_tui.models.number_formats import NUMBER_BYTES
from tinv_tui.models.stored_tensor import StoredTensor, row_major

KIND_OF_STORAGE = {
    f"{module}.{name}Storage": kind
    for name, kind in zip("Double Float Half BFloat16 Long Int Short Char Byte Bool".split(), NUMBER_BYTES, strict=True)
    for module in ("torch", "torch.cuda")
} | {"torch.storage.UntypedStorage": "U8", "torch.UntypedStorage": "U8"}
_KIND_OF_DTYPE = {
    f"torch.{name}": kind
    for name, kind in zip(
        "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split(), NUMBER_BYTES, strict=True
    )
}
_NUMPY_KINDS = {"f8": "F64", "f4": "F32", "f2": "F16", "i8": "I64", "i4": "I32", "i2": "I16", "u1": "U8", "b1": "BOOL"}
_OPAQUE = {f"pytorch_lightning.callbacks.model_checkpoint.{name}" for name in ("ModelCheckpoint", "CheckpointMode")} | {
    "pytorch_lightning.utilities.enums.ModelType"
}
"""Stands in old checkpoints beside the weights; what it says does not matter."""
_MOST_AXES = 8


class Refused(ValueError):
    """The pickle wants something to be called."""


@dataclass(frozen=True)
class Name:
    """A name the pickle mentions; nothing stands behind it."""

    text: str


@dataclass(frozen=True)
class Storage:
    """Where a storage's bytes lie; as :class:`StoredTensor` says it."""

    kind: str
    offset: int
    byte_count: int
    source: str | bytes | None


@dataclass
class _NumpyKind:
    """NumPy's dtype; what comes after its making sets the byte order."""

    code: str
    little: bool = True


@dataclass
class _NumpyArray:
    tensor: StoredTensor | None = None


class _ParameterDict(dict[Any, Any]):
    """torch's container as plain data: its parameters."""


def known(name: str) -> Name:
    """The name, if it is one of the table. Raises Refused."""
    if name in _MAKERS or name in _OPAQUE or name in KIND_OF_STORAGE or name in _KIND_OF_DTYPE:
        return Name(name)
    raise Refused(f"it wants to call {name[:100]}")


def make(name: Any, arguments: Any) -> Any:
    """What stands in for a call of the name. Raises Refused for one that is not to be called, other errors for nonsense."""
    if not isinstance(name, Name) or not isinstance(arguments, tuple):
        raise TypeError
    if name.text in _OPAQUE:
        return Name(name.text)
    if name.text not in _MAKERS:
        raise Refused(f"it wants to call {name.text}")
    return _MAKERS[name.text](*arguments)


def set_state(target: Any, state: Any) -> None:
    """What a pickle sets after the making. Raises TypeError for what has no state."""
    if isinstance(target, _ParameterDict):
        target.update({as_key(key): value for key, value in as_dict(state.get("_parameters", {})).items()})
    elif isinstance(target, _NumpyKind):
        target.little = state[1] != ">"
    elif isinstance(target, _NumpyArray):
        _, shape, kind, is_fortran, numbers = state
        if len(shape) > _MOST_AXES:
            raise ValueError("a tensor's shape makes no sense")
        if is_fortran or not kind.little or not isinstance(numbers, bytes):
            raise ValueError("it holds an array in an order that is not read")
        held = Storage(_NUMPY_KINDS[kind.code], 0, len(numbers), numbers)
        target.tensor = _tensor(held, 0, shape, row_major(tuple(map(whole, shape))))
    elif not isinstance(target, dict | Name):  # attributes of an OrderedDict, or of something opaque, say nothing
        raise TypeError


def _tensor(storage: Any, first: Any, shape: Any, stride: Any, *more: Any) -> StoredTensor:
    """``first`` and ``stride`` count numbers. The arguments after these are gradients' and hooks'."""
    return _view(storage, storage.kind, first, shape, stride)


def _typed_tensor(
    storage: Any, first: Any, shape: Any, stride: Any, grad: Any, hooks: Any, dtype: Any, *more: Any
) -> Any:
    return _view(storage, _KIND_OF_DTYPE[dtype.text], first, shape, stride)


def _view(storage: Storage, kind: str, first: Any, shape: Any, stride: Any) -> StoredTensor:
    size = NUMBER_BYTES[kind]
    shape, stride = tuple(map(whole, shape)), tuple(map(whole, stride))
    if len(shape) != len(stride) or len(shape) > _MOST_AXES:
        raise ValueError("a tensor's shape makes no sense")
    last = sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    span = 0 if 0 in shape else (last + 1) * size
    start = whole(first) * size
    if span and start + span > storage.byte_count:
        raise ValueError("a tensor reaches beyond its numbers")
    return StoredTensor(kind, shape, stride, storage.offset + start, span, storage.source)


def _parameter(tensor: Any, *more: Any) -> Any:
    if not isinstance(tensor, StoredTensor):
        raise TypeError
    return tensor


def _device_tensor(array: Any, *more: Any) -> StoredTensor:
    """What a Mac's or DirectML's tensors are kept as."""
    if array.tensor is None:
        raise ValueError("it holds an array without numbers")
    held: StoredTensor = array.tensor
    return held


def _ordered_dict(*arguments: Any) -> dict[Any, Any]:
    pairs = arguments[0] if arguments else []
    return {as_key(key): value for key, value in pairs}


def _numpy_scalar(kind: Any, data: Any) -> int | float | bool:
    formats = {"f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h", "u1": "B", "b1": "?"}
    (number,) = struct.unpack(("<" if kind.little else ">") + formats[kind.code], data)
    held: int | float | bool = number
    return held


def _encoded(letters: Any, encoding: Any) -> bytes:
    if encoding not in ("latin1", "latin-1") or not isinstance(letters, str):
        raise ValueError("it encodes text in a way that is not read")
    return letters.encode("latin-1")


def _listed(items: Any = ()) -> list[Any]:
    return list(items) if isinstance(items, list | tuple) else []


_MAKERS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _typed_tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_device_tensor_from_numpy": _device_tensor,
    "torch.nn.modules.container.ParameterDict": lambda *_: _ParameterDict(),
    "torch.Size": lambda sizes=(): tuple(map(whole, sizes)),
    "torch.device": lambda *_: Name("torch.device"),
    "collections.OrderedDict": _ordered_dict,
    "collections.defaultdict": lambda *_: {},
    "__builtin__.set": _listed,
    "builtins.set": _listed,
    "__builtin__.dict": lambda *_: {},
    "builtins.dict": lambda *_: {},
    "_codecs.encode": _encoded,
    "numpy.dtype": lambda code, *_: _NumpyKind(text(code)),
    "numpy.ndarray": lambda *_: _NumpyArray(),
    "numpy.core.multiarray.scalar": _numpy_scalar,
    "numpy._core.multiarray.scalar": _numpy_scalar,
    "numpy.core.multiarray._reconstruct": lambda *_: _NumpyArray(),
    "numpy._core.multiarray._reconstruct": lambda *_: _NumpyArray(),
}
"""What a pickle may name, and what stands in for it."""


def whole(number: Any) -> int:
    """A length, an offset or a stride. Raises ValueError for anything else."""
    if type(number) is not int or not 0 <= number < 2**48:
        raise ValueError("a tensor's shape makes no sense")
    return number


def text(value: Any) -> str:
    """Raises TypeError for what is none; written out as text, a few bytes of lists can come to gigabytes."""
    if not isinstance(value, str):
        raise TypeError
    return value


def as_dict(value: Any) -> dict[Any, Any]:
    """Raises TypeError for what is none."""
    if not isinstance(value, dict):
        raise TypeError
    return value


def as_key(key: Any) -> str | int:
    """Text, or a number of 64 bits: many larger ones, made for it, all fall into one place of a dict."""
    if isinstance(key, Name):
        return key.text
    if type(key) is str or (type(key) is int and -(2**63) <= key < 2**63):
        held: str | int = key
        return held
    raise ValueError("a dict in its pickle has keys that are neither text nor whole numbers")
