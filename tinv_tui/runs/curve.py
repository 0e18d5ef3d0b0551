"""The loss curve of a run: read from its table as it grows, and kept small however long the run is."""

from __future__ import annotations

import math
import os
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

LossRow = tuple[int, float]
"""(step, training loss)."""

MOST_POINTS = 2048
"""A curve never grows beyond this: its stretches get longer instead."""
RECENT_STEPS = 1000
"""Of so many of the newest steps each is kept as it is."""
_SMOOTHING = 0.98
_BLOCK_BYTES = 2**18
_COMPARED_BYTES = 4096
"""Some hundred rows: a run that makes its steps again to the same losses for so long has made the same table."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A stretch of steps: its last step, the mean, lowest and highest training loss, and the smoothed loss at its end.

    ``first`` is the first step it stands for. Steps between two points that belong to neither have no loss: a gap.
    """

    step: int
    mean: float
    low: float
    high: float
    smooth: float
    first: int


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
    """Any number of losses in at most :data:`MOST_POINTS` stretches of equal length, and the newest of them one by one.

    With ``of_every_step`` a step that does not come leaves a gap; else a loss stands for the steps before it too.
    """

    def __init__(self, *, of_every_step: bool = False) -> None:
        self._of_every_step = of_every_step
        self._span = 1
        self._stretches: list[array[float]] = []  # [index, last step, count, sum, low, high, smooth, first step]
        self._recent = deque[tuple[int, float, float, int]](maxlen=RECENT_STEPS)  # step, loss, smooth, first step
        self._smoothing = Smoothing()
        self._is_broken = False

    def add(self, step: int, loss: float) -> None:
        """Steps come in order; a loss that is not finite leaves a gap."""
        if not math.isfinite(loss):
            self._is_broken = True
            return
        first = step if self._is_broken or self._of_every_step or not self._stretches else self.last_step + 1
        self._is_broken = False
        smooth = self._smoothing.add(loss)
        self._recent.append((step, loss, smooth, first))
        while step // self._span >= MOST_POINTS:
            self._halve()
        index = step // self._span
        last = self._stretches[-1] if self._stretches else None
        if last is None or last[0] != index:
            self._stretches.append(array("d", (index, step, 1, loss, loss, loss, smooth, first)))
            return
        last[1] = step
        last[2] += 1
        last[3] += loss
        last[4] = min(last[4], loss)
        last[5] = max(last[5], loss)
        last[6] = smooth

    def _halve(self) -> None:
        self._span *= 2
        merged: list[array[float]] = []
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
        return tuple(CurvePoint(int(s[1]), s[3] / s[2], s[4], s[5], s[6], int(s[7])) for s in self._stretches)

    def recent(self) -> tuple[CurvePoint, ...]:
        """The last :data:`RECENT_STEPS` losses, each a point of its own."""
        return tuple(CurvePoint(step, loss, loss, loss, smooth, first) for step, loss, smooth, first in self._recent)


def read_losses(table: Path) -> Iterator[LossRow]:
    """All rows of a loss table; none where there is no table."""
    tail = LossTail(table)
    while rows := tail.read_new():
        yield from rows


class LossTail:
    """Reads the growing loss table piece by piece; ``began_anew`` tells that a resumed run has cut it.

    ``rate_changes`` are the steps read so far whose learning rate is another than that of the row before.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._inode = 0
        self._last = b""
        self._rate = b""
        self.began_anew = False
        self.rate_changes: list[int] = []

    def read_new(self) -> list[LossRow]:
        """The next rows, some thousands at most, from the top when the file was replaced; none when there is nothing new.

        A half-written last line waits. All rows of a long run at once would be larger than all else that a viewer holds.
        """
        self.began_anew = False
        try:
            with self._path.open("rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                if inode != self._inode or not self._goes_on(file):
                    self.began_anew = self._inode != 0
                    self._inode, self._offset, self._last = inode, 0, b""
                    self._rate, self.rate_changes = b"", []
                file.seek(self._offset)
                lines = file.readlines(_BLOCK_BYTES)
        except OSError:
            return []
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        self._offset += sum(map(len, lines))
        self._last = (self._last + b"".join(lines))[-_COMPARED_BYTES:]
        return list(self._rows(lines))

    def _goes_on(self, file: BinaryIO) -> bool:
        """Whether what was read last still stands there: a file system may give a new file the number of one that is gone."""
        file.seek(self._offset - len(self._last))
        return file.read(len(self._last)) == self._last

    def _rows(self, lines: Iterable[bytes]) -> Iterable[LossRow]:
        for line in lines:
            parts = line.split(b",", 4)
            try:
                row, rate = (int(parts[0]), float(parts[3])), parts[4]
            except (ValueError, IndexError):
                continue  # the header, or a line that a full disk has cut
            if rate != self._rate:
                if self._rate:
                    self.rate_changes.append(row[0])
                self._rate = rate
            yield row
