"""A tape: the calls of a computation, heard once and made again on whatever its inputs then hold."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tinv_tui.training.tape import TapeRecorder


def test_what_is_played_is_computed_from_what_the_inputs_hold_then() -> None:
    x, total = torch.ones(3), torch.zeros(3)

    def compute() -> None:
        total.add_(x.exp().view(3, 1).t().sum(0) * 2)

    play = TapeRecorder().record(compute)
    for number in (0.5, 2.0):
        x.fill_(number)
        total.zero_()
        play()
        assert torch.equal(total, torch.full((3,), number).exp() * 2)


def test_the_way_back_is_on_it_too_and_comes_to_the_same_bits() -> None:
    torch.manual_seed(0)
    layer, x = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.LayerNorm(8), torch.nn.GELU()), torch.rand(4, 6)
    found = torch.zeros(4, 6)

    def compute() -> None:
        leaf = x.detach().requires_grad_()
        both = torch.cat([layer(leaf), layer(leaf * 2)], dim=1).chunk(2, dim=1)[1]
        found.copy_(torch.autograd.grad((both**2).mean(), [leaf])[0])

    play = TapeRecorder().record(compute)
    x.copy_(torch.rand(4, 6))
    compute()
    wanted = found.clone()
    found.zero_()
    play()
    assert torch.equal(found, wanted)


def test_views_see_what_is_changed_in_place() -> None:
    x, out = torch.arange(4.0), torch.zeros(2)

    def compute() -> None:
        made = x * 1
        tail = made[2:]
        tail += 10
        made.view(2, 2)[0] -= 5
        out.copy_(made.view(2, 2).sum(1))

    play = TapeRecorder().record(compute)
    x.fill_(1)
    play()
    assert out.tolist() == [-8, 22]


def test_a_recording_keeps_nothing_alive_that_is_made_on_the_way() -> None:
    seen: list[weakref.ref[Tensor]] = []
    out = torch.zeros(4)

    def compute() -> None:
        made = torch.ones(4) + 1
        seen.append(weakref.ref(made))
        out.copy_(made)

    play = TapeRecorder().record(compute)
    assert seen[0]() is None
    out.zero_()
    play()
    assert out.tolist() == [2] * 4


def test_a_computation_that_reads_a_number_on_its_way_cannot_be_recorded() -> None:
    x = torch.ones(2)

    def compute() -> None:
        x.add_(x.sum().item())

    with pytest.raises(RuntimeError, match="tells Python a number"):
        TapeRecorder().record(compute)


def test_numbers_read_in_another_format_cannot_be_recorded() -> None:
    x = torch.ones(2)

    def compute() -> None:
        x.copy_((x * 2).view(torch.int32))

    with pytest.raises(RuntimeError, match="read as"):
        TapeRecorder().record(compute)


def test_what_is_played_asks_for_no_gradient() -> None:
    x, out = torch.ones(2, requires_grad=True), torch.zeros(2)

    def compute() -> None:
        out.copy_((x * 3).detach())

    play = TapeRecorder().record(compute)
    out.zero_()
    play()
    assert out.tolist() == [3, 3]
    assert not out.requires_grad


def test_a_division_by_one_is_not_made_again() -> None:
    x, out = torch.ones(4, 4), torch.zeros(2, 4)

    def compute() -> None:
        made = (x * 3) / 1.0
        out.copy_((made[2:] + 1) / torch.ones(1))

    play = TapeRecorder().record(compute)
    x.fill_(2)
    with _Heard() as heard:
        play()
    assert out.tolist() == [[7] * 4] * 2
    assert heard.count(torch.ops.aten.div.Tensor) == 1  # that by a tensor, whose number may be another next time


def test_of_a_view_it_is_made() -> None:
    x, out = torch.arange(4.0).view(2, 2), torch.zeros(2, 2)

    def compute() -> None:
        out.copy_((x * 1)[:, :1].expand(2, 2) / 1.0)

    play = TapeRecorder().record(compute)
    x.add_(1)
    play()
    assert out.tolist() == [[1, 1], [3, 3]]


def test_what_was_divided_by_one_may_not_be_written_into() -> None:
    x = torch.ones(2)

    def compute() -> None:
        made = x * 2
        half = made / 1.0
        made.add_(1)
        x.copy_(half)

    with pytest.raises(RuntimeError, match="may write into what goes by the name of another"):
        TapeRecorder().record(compute)


class _Heard(TorchDispatchMode):
    """What is called."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._calls: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._calls.append(func)
        return func(*args, **(kwargs or {}))

    def count(self, func: Any) -> int:
        return self._calls.count(func)
