"""Playing computations back: what is played back comes to the same, and what cannot be goes on as it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tinv_tui.training.graphs import Graphs
from tinv_tui.training.memory import release_memory


class Replaying:
    """Records on a device that has no graphs: to play back is to compute again from where the recording reads."""

    name = "a script"
    tolerance = 1e-2

    def __init__(self, refuses: Exception | None = None, spoils: Tensor | None = None) -> None:
        self.refuses, self.spoils = refuses, spoils
        self.warm_ups, self.recorded, self.played, self.forgotten = 0, 0, 0, 0

    def warm_up(self, compute: Callable[[], None]) -> None:
        self.warm_ups += 1
        compute()

    def record(self, compute: Callable[[], None]) -> Callable[[], None]:
        if self.refuses is not None:
            raise self.refuses
        self.recorded += 1

        def replay() -> None:
            self.played += 1
            compute()
            if self.spoils is not None:
                self.spoils.add_(1)

        return replay

    def forget(self) -> None:
        self.forgotten += 1


class Sum:
    """Adds what it is given, squared, to a total."""

    def __init__(self, recorder: Replaying) -> None:
        self.total = torch.zeros(3)
        self.notes: list[str] = []
        self.graphs = Graphs(recorder, self.notes.append)

    def add(self, key: str, numbers: list[float]) -> None:
        def compute(given: Tensor) -> None:
            self.total.add_(given**2)

        self.graphs.run(key, compute, [torch.tensor(numbers)], [self.total])


def test_after_two_warm_ups_and_one_recording_everything_is_played_back() -> None:
    recorder = Replaying()
    summed = Sum(recorder)
    for n in range(6):
        summed.add("a", [n, 1, 2])
    assert summed.total.tolist() == [0 + 1 + 4 + 9 + 16 + 25, 6, 24]
    assert (recorder.warm_ups, recorder.recorded, recorder.played) == (2, 1, 4)  # once to check it
    assert summed.notes == ["steps are played back from a script"]


def test_each_key_has_a_recording_of_its_own() -> None:
    recorder = Replaying()
    summed = Sum(recorder)
    for n in range(4):
        summed.add("a", [n, 0, 0])
        summed.add("b", [0, n, 0])
    assert summed.total.tolist() == [14, 14, 0]
    assert (recorder.recorded, len(summed.notes)) == (2, 1)


def test_what_cannot_be_recorded_goes_on_as_it_is_and_the_reason_is_told() -> None:
    summed = Sum(Replaying(refuses=RuntimeError("operation not permitted when stream is capturing\nmore")))
    for n in range(5):
        summed.add("a", [n, 1, 2])
    assert summed.total.tolist() == [30, 5, 20]
    (note,) = summed.notes
    assert note.endswith("which is slower: RuntimeError: operation not permitted when stream is capturing")


def test_what_is_played_back_otherwise_than_computed_is_not_used() -> None:
    recorder = Replaying()
    summed = Sum(recorder)
    recorder.spoils = summed.total
    for n in range(5):
        summed.add("a", [n, 1, 2])
    assert summed.total.tolist() == [30, 5, 20]
    assert recorder.played == 1
    assert "came out otherwise" in summed.notes[0]


def test_where_nothing_smaller_is_left_nothing_is_played_back() -> None:
    recorder = Replaying()
    summed = Sum(recorder)
    for _ in range(4):
        summed.add("a", [1, 1, 1])
    assert summed.graphs.give_up("no memory")
    assert not summed.graphs.give_up("no memory")
    summed.add("a", [1, 1, 1])
    assert (summed.total.tolist(), recorder.played) == ([5, 5, 5], 2)
    assert summed.notes[-1] == "steps are not played back from a script, which is slower: no memory"


def test_a_recording_is_made_when_the_plain_computation_has_given_its_memory_back() -> None:
    order = list[str]()

    class Watched(Replaying):
        def record(self, compute: Callable[[], None]) -> Callable[[], None]:
            order.append("record")
            return super().record(compute)

    graphs = Graphs(Watched(), lambda note: None)
    total = torch.zeros(1)
    for _ in range(3):
        graphs.run("a", lambda: order.append("compute"), [], [total])
    assert order == ["compute", "compute", "compute", "record", "compute"]


def test_a_lack_of_memory_is_for_the_memory_plan_and_after_it_all_is_recorded_anew() -> None:
    recorder = Replaying(refuses=RuntimeError("CUDA out of memory"))
    summed = Sum(recorder)
    for _ in range(2):
        summed.add("a", [1, 1, 1])
    with pytest.raises(RuntimeError, match="out of memory"):
        summed.add("a", [1, 1, 1])
    assert (summed.total.tolist(), summed.notes) == ([2, 2, 2], [])
    release_memory()
    assert recorder.forgotten == 1
    recorder.refuses = None
    for _ in range(4):
        summed.add("a", [1, 1, 1])
    assert summed.total.tolist() == [6, 6, 6]
    assert (recorder.warm_ups, recorder.recorded) == (4, 1)
