"""Understands the pickles that torch.save writes, and calls nothing.

A pickle is a program for a stack machine, and Python's own runs whatever it is told to. This one knows a few names, each of
which makes plain data here; no name is ever looked up in a module, and any other one ends the reading.
"""

from __future__ import annotations

import io
import pickletools
import struct
import sys
from collections.abc import Callable
from typing import Any

from tinv_tui.models.number_formats import NUMBER_BYTES
from tinv_tui.models.pickle_names import (
    KIND_OF_STORAGE,
    Name,
    Refused,
    Storage,
    as_dict,
    as_key,
    known,
    make,
    set_state,
    text,
    whole,
)
from tinv_tui.models.stored_tensor import StoredTensor

__all__ = ["Refused", "StoredTensor", "interpret"]

MOST_PICKLE_BYTES = 2**24
MOST_OPCODES = 1_000_000
MOST_NODES = 1_000_000
"""Of what a pickle describes, counted as a tree: a few bytes of it can share a branch with itself over and over."""
MOST_PATH_CHARACTERS = 2**26
"""Of the paths of all nodes together, of which tensors are called: a long key counts for all that lies below it."""
MOST_MADE_BYTES = 2**26
"""Of all that calls make of what is there already, and are given for it: a call of a few bytes can be given megabytes."""
DEEPEST = 64

Place = tuple[int, int, str | None]
"""Offset and length in bytes, and the zip member it is compressed in, if it is."""
Find = Callable[[str, str], Place]
"""Key of a storage and the kind of its numbers to where it lies. Raises ValueError for a key that is not there."""


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
        self._made_bytes = 0

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
            as_dict(stack[-1])[as_key(key)] = value
        elif opcode == "GLOBAL":
            stack.append(known(argument.replace(" ", ".", 1)))
        elif opcode == "STACK_GLOBAL":
            name, module = stack.pop(), stack.pop()
            stack.append(known(f"{text(module)}.{text(name)}"))
        elif opcode == "BINPERSID":
            told = stack.pop()
            self._spend(told)
            stack.append(self._storage(told))
        elif opcode in ("REDUCE", "NEWOBJ"):
            arguments, name = stack.pop(), stack.pop()
            self._spend(arguments, *arguments)
            stack.append(make(name, arguments))
            self._spend(stack[-1])
        elif opcode == "BUILD":
            state = stack.pop()
            set_state(stack[-1], state)
            self._spend(stack[-1])
        elif opcode == "POP":
            stack.pop()
        elif opcode not in ("PROTO", "FRAME"):
            raise ValueError(f"its pickle uses {opcode}, which torch.save never writes")

    def _spend(self, *values: Any) -> None:
        """Count the values, without what is in them. Raises ValueError beyond the bound."""
        self._made_bytes += sum(map(sys.getsizeof, values))
        if self._made_bytes > MOST_MADE_BYTES:
            raise ValueError("its pickle makes more than any model has")

    def _storage(self, told: Any) -> Storage | Name:
        """``("storage", kind, key, device, numbers[, view])``; the older container has ``("module", class, …)`` too."""
        if told[0] == "module" and isinstance(told[1], Name):
            return told[1]
        what, name, key, _, count, *view = told
        kind = KIND_OF_STORAGE.get(name.text)
        if what != "storage" or kind is None or type(count) is not int or count < 0:
            raise ValueError("its pickle describes a storage that is none")
        offset, available, source = self._find(str(as_key(key)), kind)
        start, size = 0, NUMBER_BYTES[kind]
        if view and view[0] is not None:
            _, first, count = view[0]
            start = whole(first) * size
        if start + whole(count) * size > available:
            raise ValueError("a tensor's numbers are missing")
        return Storage(kind, offset + start, count * size, source)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _set_items(stack: list[Any], marked: list[Any]) -> None:
    if len(marked) % 2:
        raise IndexError
    target = as_dict(stack[-1])
    for position in range(0, len(marked), 2):
        target[as_key(marked[position])] = marked[position + 1]


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
    seen, characters, level = 0, 0, [(value, 0)]
    for _ in range(DEEPEST):
        inside: list[tuple[Any, int]] = []
        for node, path in level:
            if isinstance(node, dict):
                inside += [(item, path + len(str(key)) + 1) for key, item in node.items()]
            elif isinstance(node, list | tuple):
                inside += [(item, path + 8) for item in node]
            seen += 1
            characters += path
            if seen + len(inside) > MOST_NODES or characters > MOST_PATH_CHARACTERS:
                raise ValueError("its pickle describes more than any model has")
        if not inside:
            return
        level = inside
    raise ValueError("its pickle is nested too deep")
