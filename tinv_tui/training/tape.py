"""Plays computations back on a CPU: the calls that reach the kernels, without the Python and the bookkeeping above them.

A step of a small model is some four thousand calls of a few microseconds each; modules, autograd and views take longer than
the arithmetic. A tape holds the calls alone, those of the way back included, written out as one Python function of straight
lines. A view costs one call at most, one of a weight none. What is played comes to the same bits: the same kernels meet the
same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_aten = torch.ops.aten
_BY_NAME: dict[Any, Callable[..., Any]] = {
    _aten.as_strided.default: torch.as_strided,
    _aten.add.Tensor: torch.add,
    _aten.mul.Tensor: torch.mul,
    _aten.div.Tensor: torch.div,
    _aten.mm.default: torch.mm,
    _aten.addmm.default: torch.addmm,
    _aten.convolution.default: torch.convolution,
    _aten.native_layer_norm.default: torch.native_layer_norm,
    _aten.native_group_norm.default: torch.native_group_norm,
}
"""The same kernels as torch names them for Python, of the calls made most: by its name one is called in one to four
microseconds less than by its operator, and a step calls these some 1,700 times."""


class TapeRecorder:
    """Records on a CPU, where to record is to compute."""

    name = "recorded calls"
    tolerance = 0.0

    def warm_up(self, compute: Callable[[], None]) -> None:
        compute()

    def record(self, compute: Callable[[], None]) -> Callable[[], None]:
        tape = _Tape()
        with tape:
            compute()
        return tape.player()

    def forget(self) -> None:
        """A tape holds nothing that is not its player's own."""


@dataclass(frozen=True, slots=True)
class _Call:
    """One line of the function."""

    text: str
    made: tuple[int, ...]
    """The numbers of the variables it gives a value."""
    read: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Made:
    """A tensor that a call returned, by which all others of its storage are told."""

    number: int
    size: torch.Size
    stride: tuple[int, ...]
    offset: int
    dtype: torch.dtype

    def lies_as(self, tensor: Tensor) -> bool:
        """Whether a tensor has its shape, its place in the storage and its format."""
        layout = (tensor.size(), tensor.stride(), int(tensor.storage_offset()), tensor.dtype)
        return layout == (self.size, self.stride, self.offset, self.dtype)


class _Tape(TorchDispatchMode):
    """Hears of each call on its way to the kernel, and keeps none of the tensors alive that calls return.

    Tensors that no call returned are constants: weights, inputs, and what else stays where it is between plays.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._calls: list[_Call] = []
        self._names: dict[str, Any] = {}
        """What the lines name beside their variables: kernels and constants."""
        self._kernels: dict[Any, str] = {}
        # A weak reference keeps another storage from taking its name.
        self._made: dict[StorageWeakRef | None, _Made] = {}
        self._views: dict[tuple[Any, ...], int] = {}
        self._twins: set[int] = set()
        """Numbers that more than one tensor goes by."""
        self._count = 0

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if torch.Tag.data_dependent_output in func.tags:
            raise RuntimeError(f"{func} tells Python a number, which may decide what comes next")
        kwargs = kwargs or {}
        found = func(*args, **kwargs)
        if func is _aten.div.Tensor and self._is_what_it_was(found, *args):
            return found
        parts = tuple(found) if isinstance(found, tuple | list) else (found,)
        given = {_storage(one) for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)}
        is_new = [isinstance(one, Tensor) and _storage(one) not in given for one in parts]
        if func._schema.is_mutable and any(self._made[one].number in self._twins for one in given if one in self._made):
            raise RuntimeError(f"{func} may write into what goes by the name of another")
        if func._schema.is_mutable or any(is_new):  # else a view, which is made where it is read
            read: list[int] = []
            written = [self._written(one, read) for one in args]
            written += [f"{name}={self._written(one, read)}" for name, one in kwargs.items()]
            made = tuple(self._make(one) if new else self._variable() for one, new in zip(parts, is_new, strict=True))
            targets = "".join(f"v{number}, " for number in made) if isinstance(found, tuple | list) else f"v{made[0]}"
            self._calls.append(_Call(f"{targets} = {self._kernel(func)}({', '.join(written)})", made, tuple(read)))
        return found

    def _is_what_it_was(self, found: Tensor, divided: Tensor, divisor: object) -> bool:
        """Whether a quotient is by one, as diffusers scales if not told otherwise: it goes by the name of what was divided."""
        made = self._made.get(_storage(divided))
        if made is None or isinstance(divisor, Tensor) or divisor != 1.0:
            return False
        if not made.lies_as(divided) or not made.lies_as(found):
            return False
        self._made[_storage(found)] = made
        self._twins.add(made.number)
        return True

    def player(self) -> Callable[[], None]:
        """What makes all calls heard so far once more."""
        last = {number: line for line, call in enumerate(self._calls) for number in (*call.made, *call.read)}
        lines = ["def play():"]
        for line, call in enumerate(self._calls):
            lines.append(f" {call.text}")
            spent = sorted({number for number in (*call.made, *call.read) if last[number] == line})
            lines += [f" {' = '.join(f'v{number}' for number in spent)} = None"] if spent else []
        exec(compile("\n".join(lines), "<tape>", "exec"), self._names)  # it names kernels and constants alone
        play: Callable[[], None] = torch.inference_mode()(self._names["play"])
        return play

    def _variable(self) -> int:
        self._count += 1
        return self._count

    def _make(self, tensor: Tensor) -> int:
        number = self._variable()
        layout = (tensor.size(), tensor.stride(), int(tensor.storage_offset()), tensor.dtype)
        self._made[_storage(tensor)] = _Made(number, *layout)
        return number

    def _kernel(self, operator: Any) -> str:
        name = self._kernels.setdefault(operator, f"f{len(self._kernels)}")
        self._names[name] = _BY_NAME.get(operator, operator._op)
        return name

    def _constant(self, value: object) -> str:
        name = f"c{len(self._names)}"
        self._names[name] = value
        return name

    def _written(self, argument: object, read: list[int]) -> str:
        """An argument as the lines name it; the variables that it takes are added to those ``read``."""
        if argument is None or isinstance(argument, bool | int):
            return repr(argument)
        if isinstance(argument, list | tuple) and any(isinstance(one, Tensor) for one in argument):
            return f"[{', '.join(self._written(one, read) for one in argument)}]"
        if not isinstance(argument, Tensor):
            return self._constant(argument)
        made = self._made.get(_storage(argument))
        if made is None:
            return self._constant(argument.detach())
        read.append(self._view(made, argument))
        return f"v{read[-1]}"

    def _view(self, made: _Made, tensor: Tensor) -> int:
        if tensor.dtype != made.dtype:
            raise RuntimeError(f"numbers of {made.dtype} are read as {tensor.dtype}")
        if made.lies_as(tensor):
            return made.number
        size, stride, offset = tensor.size(), tensor.stride(), int(tensor.storage_offset())
        key = (made.number, size, stride, offset)
        if key not in self._views:
            self._views[key] = number = self._variable()
            kernel = self._kernel(_aten.as_strided.default)
            sides, steps = self._constant(list(size)), self._constant(list(stride))
            text = f"v{number} = {kernel}(v{made.number}, {sides}, {steps}, {offset})"
            self._calls.append(_Call(text, (number,), (made.number,)))
        return self._views[key]


def _storage(tensor: Tensor) -> StorageWeakRef | None:
    """Of a packed weight, which lies in an order that is its kernel's own, nobody knows one."""
    return None if tensor.is_mkldnn else StorageWeakRef(tensor.untyped_storage())
