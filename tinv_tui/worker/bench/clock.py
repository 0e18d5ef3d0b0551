"""Times steps and what they are made of, the same way whoever trains."""

from __future__ import annotations

import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import psutil
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

UNCOUNTED = 6
"""Of the first steps, which compile, allocate and warm up; on a GPU the third is recorded, and those after it run ahead."""
_TOLD_EVERY = 1.0
"""Seconds: whoever shows the progress works on the same processor."""
LOOKED_INTO = 5
"""Steps after the counted ones that are taken apart; marking the phases makes a device wait, so they are not counted."""


class StepClock:
    """Told of the end of each step; counts some, then takes a few apart."""

    def __init__(self, steps: int, device: torch.device, parts: dict[str, nn.Module]) -> None:
        """``steps`` are counted. ``parts`` are modules whose forward passes are phases, by the phase's name."""
        self._steps = steps
        self._device = device
        self._parts = parts
        self._ends: list[float] = []
        self._marks: list[tuple[str, float]] = []
        self._phases: dict[str, list[float]] = defaultdict(list)
        self._handles: list[Any] = []
        self._told = 0.0
        self.first_step_seconds = 0.0
        """From the start of the process."""

    @property
    def total(self) -> int:
        """How many steps to train in all."""
        return UNCOUNTED + self._steps + LOOKED_INTO

    def stepped(self) -> None:
        """A step has ended."""
        counted = UNCOUNTED + self._steps
        if len(self._ends) in (0, UNCOUNTED - 1, counted - 1) or len(self._ends) >= counted:
            self._settle()
        self._ends.append(time.perf_counter())
        if len(self._ends) == 1:
            self.first_step_seconds = time.time() - psutil.Process().create_time()
        elif len(self._ends) == counted:
            self._mark_phases()
        elif len(self._ends) > counted:
            self._take_apart()

    def tell(self, told: Callable[[int, int], None]) -> None:
        """Tell now and then how many steps of all are done."""
        if self._ends[-1] - self._told >= _TOLD_EVERY:
            self._told = self._ends[-1]
            told(len(self._ends), self.total)

    def result(self) -> dict[str, Any]:
        """Seconds per step (the median on a CPU; on a GPU, whose host runs ahead, the mean), phases in seconds, peak memory."""
        ends = self._ends[UNCOUNTED - 1 : UNCOUNTED + self._steps]
        gaps = [late - early for early, late in zip(ends, ends[1:], strict=False)]
        mean = (ends[-1] - ends[0]) / len(gaps)
        return {
            "seconds_per_step": mean if self._device.type == "cuda" else statistics.median(gaps),
            "steps": len(gaps),
            "phases": {name: statistics.median(seconds) for name, seconds in self._phases.items()},
            "peak_bytes": _peak_bytes(self._device),
            "first_step_seconds": self.first_step_seconds,
            "device": torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "cpu",
            "threads": torch.get_num_threads(),
        }

    def _settle(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def _mark(self, name: str) -> None:
        self._settle()
        self._marks.append((name, time.perf_counter()))

    def _mark_phases(self) -> None:
        """From now on, tell when each part begins and ends."""
        for name, module in self._parts.items():
            self._handles += [
                module.register_forward_pre_hook(lambda *_: self._mark("data and host")),
                module.register_forward_hook(lambda *_, phase=name: self._mark(phase)),
            ]
        self._handles += [
            # A step that is played back calls no part.
            register_optimizer_step_pre_hook(
                lambda *_: self._mark("backward" if len(self._marks) > 1 else "forward and backward")
            ),
            register_optimizer_step_post_hook(lambda *_: self._mark("update")),
        ]
        self._marks = [("", self._ends[-1])]

    def _take_apart(self) -> None:
        # No part of a step that is played back from a CUDA graph calls anything here.
        self._marks.append(("data and host" if len(self._marks) > 1 else "step as a whole", self._ends[-1]))
        sums: dict[str, float] = defaultdict(float)
        for (_, begun), (name, ended) in zip(self._marks, self._marks[1:], strict=False):
            sums[name] += ended - begun
        for name, seconds in sums.items():
            self._phases[name].append(seconds)
        self._marks = [("", self._ends[-1])]
        if len(self._ends) == self.total:
            for handle in self._handles:
                handle.remove()


def _peak_bytes(device: torch.device) -> int:
    """The most that tensors took on a GPU, or this process in the host's memory where there is none."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
