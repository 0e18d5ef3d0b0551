"""The loss curve of a run: read from its table as it grows, and kept small however long the run is."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LossRow = tuple[int, float]
"""(step, training loss)."""

MOST_POINTS = 2048
"""A curve never grows beyond this: its stretches get longer instead."""
_SMOOTHING = 0.98


@dataclass(frozen=True)
class CurvePoint:
    """A stretch of steps: its last step, the mean, lowest and highest training loss, and the smoothed loss at its end."""

    step: int
    mean: float
    low: float
    high: float
    smooth: float


class Smoothing:
    """The running mean that is shown as the smoothed loss: exponential, without a bias towards zero at the start."""

    def __init__(self) -> None:
        self._weighted = self._weight = 0.0

    def add(self, loss: float) -> float:
        """The smoothed loss after one more, which must be finite."""
        self._weighted = _SMOOTHING * self._weighted + (1 - _SMOOTHING) * loss
        self._weight = _SMOOTHING * self._weight + (1 - _SMOOTHING)
        return self._weighted / self._weight


class LossCurve:
    """Any number of losses in at most :data:`MOST_POINTS` stretches of equal length."""

    def __init__(self) -> None:
        self._span = 1
        self._stretches: list[list[float]] = []  # [index, last step, count, sum, low, high, smooth]
        self._smoothing = Smoothing()

    def add(self, step: int, loss: float) -> None:
        """Steps come in order; a loss that is not finite leaves a gap."""
        if not math.isfinite(loss):
            return
        smooth = self._smoothing.add(loss)
        while step // self._span >= MOST_POINTS:
            self._halve()
        index = step // self._span
        last = self._stretches[-1] if self._stretches else None
        if last is None or last[0] != index:
            self._stretches.append([index, step, 1, loss, loss, loss, smooth])
            return
        last[1] = step
        last[2] += 1
        last[3] += loss
        last[4] = min(last[4], loss)
        last[5] = max(last[5], loss)
        last[6] = smooth

    def _halve(self) -> None:
        self._span *= 2
        merged: list[list[float]] = []
        for stretch in self._stretches:
            stretch[0] //= 2
            if not merged or merged[-1][0] != stretch[0]:
                merged.append(stretch)
                continue
            into = merged[-1]
            into[2] += stretch[2]
            into[3] += stretch[3]
            into[4] = min(into[4], stretch[4])
            into[5] = max(into[5], stretch[5])
            into[1], into[6] = stretch[1], stretch[6]
        self._stretches = merged

    @property
    def last_step(self) -> int:
        return int(self._stretches[-1][1]) if self._stretches else 0

    def points(self) -> tuple[CurvePoint, ...]:
        return tuple(CurvePoint(int(s[1]), s[3] / s[2], s[4], s[5], s[6]) for s in self._stretches)


class LossTail:
    """Reads the growing loss table piece by piece; ``began_anew`` tells that a resumed run has cut it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._inode = 0
        self.began_anew = False

    def read_new(self) -> list[LossRow]:
        """Rows since the last call, from the top when the file was replaced. A half-written last line waits."""
        self.began_anew = False
        try:
            with self._path.open("rb") as file:
                now = os.fstat(file.fileno())
                if now.st_ino != self._inode or now.st_size < self._offset:
                    self.began_anew = self._inode != 0
                    self._inode, self._offset = now.st_ino, 0
                file.seek(self._offset)
                content = file.read()
        except OSError:
            return []
        whole = content.rfind(b"\n") + 1
        self._offset += whole
        return list(_loss_rows(content[:whole].splitlines()))


def _loss_rows(lines: Iterable[bytes]) -> Iterable[LossRow]:
    for line in lines:
        parts = line.split(b",", 4)
        try:
            yield int(parts[0]), float(parts[3])
        except (ValueError, IndexError):
            continue  # the header, or a line that a full disk has cut
