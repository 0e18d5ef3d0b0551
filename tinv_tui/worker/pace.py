"""How fast a run goes: what its steps take, and what is done between them every so many steps."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_WARM_UP_STEPS = 3
"""The first steps of a process allocate and tune; they say nothing of the rate."""
_STEPS = 2000
_TIMES = 9
"""Of each thing between steps so many of the newest times are kept: the first is often a slow one."""
_HELD_UP = 10.0
"""A step that took so many times the median was held up by something that says nothing of the steps to come."""


class Pace:
    """Gathers what the time of a run goes to. The training thread writes, any other may read."""

    def __init__(self) -> None:
        self._step = 0
        self._every: Mapping[str, int] = {}
        self._steps_seen = 0
        self._step_seconds: deque[float] = deque(maxlen=_STEPS)
        self._between: dict[str, deque[float]] = {}
        self._worth: dict[str, float] = {}
        self._under_way: tuple[str, float] | None = None

    def stepped(self, step: int, seconds: float, every: Mapping[str, int]) -> None:
        """The time a step took, without what came between steps: that comes ``every`` so many steps, 0 for never."""
        self._step, self._every = step, every
        self._steps_seen += 1
        if self._steps_seen > _WARM_UP_STEPS:
            self._step_seconds.append(seconds)

    def go_back(self, step: int) -> None:
        """The steps after this one are made again."""
        self._step = step

    def expect(self, what: str, steps: float) -> None:
        """How many steps something between steps is worth, about, as long as it has not been done."""
        self._worth[what] = steps

    def spent(self, what: str, seconds: float) -> None:
        """The time that something between steps took."""
        self._between.setdefault(what, deque(maxlen=_TIMES)).append(seconds)

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Take the time of something between steps. It does not count where it was broken off by an error."""
        began = time.monotonic()
        self._under_way = what, began
        try:
            yield
        finally:
            self._under_way = None
        self.spent(what, time.monotonic() - began)

    @property
    def steps_per_second(self) -> float | None:
        """1 / median step time of the last 2,000 steps."""
        recent = list(self._step_seconds)
        return round(1 / statistics.median(recent), 3) if recent else None

    def seconds_left(self, steps: int) -> float | None:
        """Until the last of ``steps`` by the wall clock, pauses not counted; None before the first steps are known.

        What has not been done yet counts as is expected of it, and not at all where nothing is.
        """
        recent = list(self._step_seconds)
        if not recent:
            return None
        most = _HELD_UP * statistics.median(recent)
        a_step = statistics.fmean(seconds for seconds in recent if seconds <= most)
        left = max(0, steps - self._step) * a_step
        for what, every in self._every.items():
            if every:
                left += max(0, steps // every - self._step // every) * self._usual(what, a_step)
        if (under_way := self._under_way) is not None:
            what, began = under_way
            left += max(0.0, self._usual(what, a_step) - (time.monotonic() - began))
        return left

    def _usual(self, what: str, a_step: float) -> float:
        times = list(self._between.get(what, ()))
        return statistics.median(times) if times else self._worth.get(what, 0.0) * a_step
