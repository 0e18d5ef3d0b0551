"""Plays computations back, without what Python does between the thousands of calls that a training step is made of.

A computation reads tensors and changes tensors in place, and is otherwise the same each time. The first times it runs as
it is, which tunes and allocates; then it is recorded, checked once against itself, and from then on only played back. What
cannot be recorded, or comes out otherwise, goes on as it is: slower, and right.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from tinv_tui.errors import in_one_line
from tinv_tui.training.memory import gives_way, is_out_of_memory

_WARM_UPS = 2


class Recorder(Protocol):
    """Records what a device is told to do."""

    name: str
    """Of what it records on, as users read it."""
    tolerance: float
    """By how much, of its size, what is played back may differ from what is computed."""

    def warm_up(self, compute: Callable[[], None]) -> None:
        """Compute where it will be recorded."""

    def record(self, compute: Callable[[], None]) -> Callable[[], None]:
        """What does on the device all that ``compute`` does; recording may do it, once. Raises RuntimeError."""

    def forget(self) -> None:
        """What was recorded is not played back any more."""


class CudaRecorder:
    """Records CUDA graphs on a stream of its own; all share one pool of memory, for never two of them play at once."""

    name = "CUDA graphs"
    tolerance = 1e-2  # the same kernels on the same numbers: only a sum whose order is left to chance differs at all

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def warm_up(self, compute: Callable[[], None]) -> None:
        current = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            compute()
        current.wait_stream(self._stream)

    def record(self, compute: Callable[[], None]) -> Callable[[], None]:
        torch.cuda.synchronize(self._stream.device)
        graph = torch.cuda.CUDAGraph()
        current = torch.cuda.current_stream(self._stream.device)
        try:
            # Other threads go on to use the device as they like: only this one records.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                compute()
        finally:
            torch.cuda.set_stream(current)  # torch leaves its own current where a recording cannot begin or end
        replay: Callable[[], None] = graph.replay
        return replay

    def forget(self) -> None:
        """A pool that all its graphs have left may not be had again (torch asserts it where segments expand)."""
        self._pool = torch.cuda.graph_pool_handle()


@dataclass(frozen=True)
class _Recording:
    inputs: tuple[Tensor, ...]
    """Where it reads."""
    replay: Callable[[], None]

    def play(self, inputs: Sequence[Tensor]) -> None:
        for held, given in zip(self.inputs, inputs, strict=True):
            held.copy_(given, non_blocking=True)
        self.replay()


class Graphs:
    """Runs computations by key: what has the same key is the same but for what its inputs hold."""

    def __init__(self, recorder: Recorder, note: Callable[[str], None]) -> None:
        """``note`` is told once: that computations are played back, or why they are not."""
        self._recorder = recorder
        self._note = note
        self._times: dict[Hashable, int] = {}
        self._recordings: dict[Hashable, _Recording] = {}
        self._works: bool | None = None
        gives_way(self)

    def run(
        self, key: Hashable, compute: Callable[..., None], inputs: Sequence[Tensor], changed: Sequence[Tensor]
    ) -> None:
        """Do what ``compute(*inputs)`` does, which is to change ``changed``. Raises what it raises."""
        recording = self._recordings.get(key)
        if recording is not None:
            recording.play(inputs)
        elif self._works is False:
            compute(*inputs)
        elif self._times.setdefault(key, 0) < _WARM_UPS:
            self._times[key] += 1
            self._recorder.warm_up(lambda: compute(*inputs))
        else:
            self._record(key, compute, inputs, changed)

    def forget(self) -> None:
        """Give the memory of all recordings back: what they recorded is about to be done in another way."""
        self._times.clear()
        self._recordings.clear()
        self._recorder.forget()

    def _record(
        self, key: Hashable, compute: Callable[..., None], inputs: Sequence[Tensor], changed: Sequence[Tensor]
    ) -> None:
        held = tuple(tensor.clone() for tensor in inputs)
        before = [tensor.clone() for tensor in changed]
        # What the plain computation comes to is what counts, this once. It goes first, and gives its memory back before a
        # recording takes as much for itself.
        compute(*inputs)
        computed = [tensor.clone() for tensor in changed]
        _put(before, changed)
        trouble = ""
        try:
            recording = _Recording(held, self._recorder.record(lambda: compute(*held)))
            _put(before, changed)
            recording.play(inputs)
            if not all(map(self._agree, changed, computed)):
                trouble = "what was played back came out otherwise"
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            trouble = in_one_line(error)
        _put(computed, changed)
        if trouble:
            self.give_up(trouble)
            return
        self._recordings[key] = recording
        if self._works is None:
            self._works = True
            self._note(f"steps are played back from {self._recorder.name}")

    def give_up(self, reason: str) -> bool:
        """Play nothing back from now on; False where that is so already."""
        if self._works is False:
            return False
        self._works = False
        self.forget()
        self._note(f"steps are not played back from {self._recorder.name}, which is slower: {reason}")
        return True

    def _agree(self, played: Tensor, computed: Tensor) -> bool:
        """Whether two results are the same but for the order of their sums; waits for the device."""
        played, computed = played.float().nan_to_num(), computed.float().nan_to_num()
        return bool((played - computed).norm() <= self._recorder.tolerance * computed.norm())


def _put(values: Sequence[Tensor], into: Sequence[Tensor]) -> None:
    for value, tensor in zip(values, into, strict=True):
        tensor.copy_(value)
