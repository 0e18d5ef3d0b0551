"""Understands the pickles that torch.save writes, and calls nothing.

A pickle is a program for a stack machine, and Python's own runs whatever it is told to. This one knows a few names, each of
which makes plain data here; no name is ever looked up in a module, and any other one ends the reading.
"""

from __future__ import annotations

import io
import pickletools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinv_tui.models.number_formats import NUMBER_BYTES
from tinv_tui.models.stored_tensor import StoredTensor, row_major

MOST_PICKLE_BYTES = 2**24
MOST_OPCODES = 1_000_000
MOST_NODES = 1_000_000
"""Of what a pickle describes, counted as a tree: a few bytes of it can share a branch with itself over and over."""
DEEPEST = 64

_KIND_OF_STORAGE = {
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

Place = tuple[int, int, str | None]
"""Offset and length in bytes, and the zip member it is compressed in, if it is."""
Find = Callable[[str, str], Place]
"""Key of a storage and the kind of its numbers to where it lies. Raises ValueError for a key that is not there."""


class Refused(ValueError):
    """The pickle wants something to be called."""


@dataclass(frozen=True)
class _Name:
    """A name the pickle mentions; nothing stands behind it."""

    text: str


@dataclass(frozen=True)
class _Storage:
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


def interpret(data: bytes, start: int, find: Find) -> tuple[Any, int]:
    """What the pickle at ``start`` describes, and where it ends.

    Dicts (with text and whole numbers as keys), lists, tuples, text, bytes, numbers, None, and :class:`StoredTensor`.
    Raises Refused for a pickle that wants something called, other ValueErrors for one that is broken or beyond bounds.
    """
    file = io.BytesIO(data)
    file.seek(start)
    machine = _Machine(find)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if count >= MOST_OPCODES:
                raise ValueError("its pickle is longer than that of any model")
            if opcode.name == "STOP":
                value = machine.pop()
                _check_tree(value)
                return value, file.tell()
            machine.step(opcode.name, argument)
    except (IndexError, KeyError, TypeError, struct.error, OverflowError, AttributeError) as error:
        raise ValueError(f"its pickle is damaged ({type(error).__name__})") from None
    raise ValueError("its pickle is cut off")


class _Machine:
    def __init__(self, find: Find) -> None:
        self._find = find
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def pop(self) -> Any:
        return self._stack.pop()

    def step(self, opcode: str, argument: Any) -> None:
        stack = self._stack
        if opcode in _PLAIN:
            if isinstance(argument, int) and argument.bit_length() > 128:
                raise ValueError("its pickle holds a number that is too large")
            stack.append(argument)
        elif opcode in _CONSTANTS:
            stack.append(_CONSTANTS[opcode])
        elif opcode in _FRESH:
            stack.append(_FRESH[opcode]())
        elif opcode in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = stack[-1]
        elif opcode == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif opcode in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif opcode == "MARK":
            self._outer.append(stack)
            self._stack = []
        elif opcode in _TAKE_MARKED:
            marked, self._stack = stack, self._outer.pop()
            _TAKE_MARKED[opcode](self._stack, marked)
        elif opcode in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(opcode[-1])
            if len(stack) < count:
                raise IndexError
            stack[-count:] = [tuple(stack[-count:])]
        elif opcode == "APPEND":
            item = stack.pop()
            _list(stack[-1]).append(item)
        elif opcode == "SETITEM":
            value, key = stack.pop(), stack.pop()
            _dict(stack[-1])[_key(key)] = value
        elif opcode == "GLOBAL":
            stack.append(_known(argument.replace(" ", ".", 1)))
        elif opcode == "STACK_GLOBAL":
            name, module = stack.pop(), stack.pop()
            stack.append(_known(f"{module}.{name}"))
        elif opcode == "BINPERSID":
            stack.append(self._storage(stack.pop()))
        elif opcode in ("REDUCE", "NEWOBJ"):
            arguments, name = stack.pop(), stack.pop()
            stack.append(_make(name, arguments))
        elif opcode == "BUILD":
            state = stack.pop()
            _set_state(stack[-1], state)
        elif opcode == "POP":
            stack.pop()
        elif opcode not in ("PROTO", "FRAME"):
            raise ValueError(f"its pickle uses {opcode}, which torch.save never writes")

    def _storage(self, told: Any) -> _Storage | _Name:
        """``("storage", kind, key, device, numbers[, view])``; the older container has ``("module", class, …)`` too."""
        if told[0] == "module" and isinstance(told[1], _Name):
            return told[1]
        what, name, key, _, count, *view = told
        kind = _KIND_OF_STORAGE.get(name.text)
        if what != "storage" or kind is None or type(count) is not int or count < 0:
            raise ValueError("its pickle describes a storage that is none")
        offset, available, source = self._find(str(key), kind)
        start, size = 0, NUMBER_BYTES[kind]
        if view and view[0] is not None:
            _, first, count = view[0]
            start = _whole(first) * size
        if start + _whole(count) * size > available:
            raise ValueError("a tensor's numbers are missing")
        return _Storage(kind, offset + start, count * size, source)


def _known(name: str) -> _Name:
    if name in _MAKERS or name in _OPAQUE or name in _KIND_OF_STORAGE or name in _KIND_OF_DTYPE:
        return _Name(name)
    raise Refused(f"it wants to call {name[:100]}")


def _make(name: Any, arguments: Any) -> Any:
    if not isinstance(name, _Name) or not isinstance(arguments, tuple):
        raise TypeError
    if name.text in _OPAQUE:
        return _Name(name.text)
    if name.text not in _MAKERS:
        raise Refused(f"it wants to call {name.text}")
    return _MAKERS[name.text](*arguments)


def _set_state(target: Any, state: Any) -> None:
    if isinstance(target, _ParameterDict):
        target.update({_key(key): value for key, value in _dict(state.get("_parameters", {})).items()})
    elif isinstance(target, _NumpyKind):
        target.little = state[1] != ">"
    elif isinstance(target, _NumpyArray):
        _, shape, kind, is_fortran, numbers = state
        if is_fortran or not kind.little or not isinstance(numbers, bytes):
            raise ValueError("it holds an array in an order that is not read")
        whole = _Storage(_NUMPY_KINDS[kind.code], 0, len(numbers), numbers)
        target.tensor = _tensor(whole, 0, shape, row_major(tuple(map(_whole, shape))))
    elif not isinstance(target, dict | _Name):  # attributes of an OrderedDict, or of something opaque, say nothing
        raise TypeError


def _tensor(storage: Any, first: Any, shape: Any, stride: Any, *more: Any) -> StoredTensor:
    """``first`` and ``stride`` count numbers. The arguments after these are gradients' and hooks'."""
    return _view(storage, storage.kind, first, shape, stride)


def _typed_tensor(
    storage: Any, first: Any, shape: Any, stride: Any, grad: Any, hooks: Any, dtype: Any, *more: Any
) -> Any:
    return _view(storage, _KIND_OF_DTYPE[dtype.text], first, shape, stride)


def _view(storage: _Storage, kind: str, first: Any, shape: Any, stride: Any) -> StoredTensor:
    size = NUMBER_BYTES[kind]
    shape, stride = tuple(map(_whole, shape)), tuple(map(_whole, stride))
    if len(shape) != len(stride) or len(shape) > 8:
        raise ValueError("a tensor's shape makes no sense")
    last = sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    span = 0 if 0 in shape else (last + 1) * size
    start = _whole(first) * size
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
    return {_key(key): value for key, value in pairs}


def _numpy_scalar(kind: Any, data: Any) -> int | float | bool:
    formats = {"f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h", "u1": "B", "b1": "?"}
    (number,) = struct.unpack(("<" if kind.little else ">") + formats[kind.code], data)
    held: int | float | bool = number
    return held


def _encoded(text: Any, encoding: Any) -> bytes:
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str):
        raise ValueError("it encodes text in a way that is not read")
    return text.encode("latin-1")


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
    "torch.Size": lambda sizes=(): tuple(map(_whole, sizes)),
    "torch.device": lambda *_: _Name("torch.device"),
    "collections.OrderedDict": _ordered_dict,
    "collections.defaultdict": lambda *_: {},
    "__builtin__.set": _listed,
    "builtins.set": _listed,
    "__builtin__.dict": lambda *_: {},
    "builtins.dict": lambda *_: {},
    "_codecs.encode": _encoded,
    "numpy.dtype": lambda code, *_: _NumpyKind(str(code)),
    "numpy.ndarray": lambda *_: _NumpyArray(),
    "numpy.core.multiarray.scalar": _numpy_scalar,
    "numpy._core.multiarray.scalar": _numpy_scalar,
    "numpy.core.multiarray._reconstruct": lambda *_: _NumpyArray(),
    "numpy._core.multiarray._reconstruct": lambda *_: _NumpyArray(),
}
"""What a pickle may name, and what stands in for it."""


def _whole(number: Any) -> int:
    if type(number) is not int or not 0 <= number < 2**48:
        raise ValueError("a tensor's shape makes no sense")
    return number


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _dict(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _key(key: Any) -> str | int:
    """Text, or a number of 64 bits: many larger ones, made for it, all fall into one place of a dict."""
    if isinstance(key, _Name):
        return key.text
    if type(key) is str or (type(key) is int and -(2**63) <= key < 2**63):
        held: str | int = key
        return held
    raise ValueError("a dict in its pickle has keys that are neither text nor whole numbers")


def _set_items(stack: list[Any], marked: list[Any]) -> None:
    if len(marked) % 2:
        raise IndexError
    target = _dict(stack[-1])
    for position in range(0, len(marked), 2):
        target[_key(marked[position])] = marked[position + 1]


_PLAIN = set(
    "BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINSTRING SHORT_BINSTRING "
    "BINBYTES SHORT_BINBYTES BINBYTES8".split()
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_FRESH: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_SET": list}
_TAKE_MARKED: dict[str, Callable[[list[Any], list[Any]], None]] = {
    "TUPLE": lambda stack, marked: stack.append(tuple(marked)),
    "LIST": lambda stack, marked: stack.append(marked),
    "FROZENSET": lambda stack, marked: stack.append(marked),
    "APPENDS": lambda stack, marked: _list(stack[-1]).extend(marked),
    "ADDITEMS": lambda stack, marked: _list(stack[-1]).extend(marked),
    "SETITEMS": _set_items,
    "POP_MARK": lambda stack, marked: None,
}


def _check_tree(value: Any) -> None:
    """Raise ValueError unless this is a tree that can be walked: no branch within itself, none shared a million times."""
    seen, level = 0, [value]
    for _ in range(DEEPEST):
        inside: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                inside += node.values()
            elif isinstance(node, list | tuple):
                inside += node
            seen += 1
            if seen + len(inside) > MOST_NODES:
                raise ValueError("its pickle describes more than any model has")
        if not inside:
            return
        level = inside
    raise ValueError("its pickle is nested too deep")
