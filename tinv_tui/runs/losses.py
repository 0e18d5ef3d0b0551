"""``textual_inversion_loss.csv``: a row per step, the columns A1111 wrote first."""

from __future__ import annotations

import math
import os
import threading
from pathlib import Path
from typing import BinaryIO

from tinv_tui.atomic import open_to_append, write_atomic

COLUMNS = ("step", "epoch", "epoch_step", "loss", "learn_rate")


class LossTable:
    """Appends rows; they wait in memory until :meth:`flush`, which anybody may call from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: list[str] = []
        self._lock = threading.Lock()
        self._file_lock = threading.Lock()

    def add(self, step: int, epoch: int, epoch_step: int, loss: float, rate: float) -> None:
        row = f"{step},{epoch},{epoch_step},{loss:.7f},{rate:.10g}\n"
        with self._lock:
            self._waiting.append(row)

    def flush(self) -> None:
        """Write what waits, with the header into a new file, and force it to the disk. Raises OSError."""
        with self._file_lock:
            with self._lock:  # held for a moment only: the training thread adds rows while the disk is busy
                rows = list(self._waiting)
            if not rows:
                return
            with open_to_append(self._path) as file:
                before = file.tell()
                header = "" if before else ",".join(COLUMNS) + "\n"
                try:
                    _write_whole(file, "".join([header, *rows]).encode())
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(before)  # half of them may be there, and all of them are written again
                    raise
            with self._lock:
                del self._waiting[: len(rows)]

    def cut(self, step: int) -> None:
        """Drop the rows after ``step``, those that wait too. Raises OSError."""
        self.flush()
        with self._file_lock:
            cut_table(self._path, step)


def _write_whole(file: BinaryIO, data: bytes) -> None:
    """A disk that fills up takes the part that it has room for, without an error."""
    while data:
        data = data[file.write(data) or 0 :]


def cut_table(path: Path, step: int) -> None:
    """Drop the rows after ``step``, and a half-written one: a resumed run writes them again."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    kept = [line for line in lines[1:] if line.endswith("\n") and _step_of(line) <= step]
    write_atomic(path, "".join([",".join(COLUMNS) + "\n", *kept]))


def _step_of(line: str) -> float:
    """The step of a row; after every other when the row is damaged, as a power cut may leave it."""
    try:
        return int(line.split(",", 1)[0])
    except ValueError:
        return math.inf
