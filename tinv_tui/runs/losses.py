"""``textual_inversion_loss.csv``: a row per step, the columns A1111 wrote first."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from tinv_tui.atomic import write_atomic

COLUMNS = ("step", "epoch", "epoch_step", "loss", "learn_rate")


class LossTable:
    """Appends rows; they wait in memory until :meth:`flush`, which anybody may call from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: list[str] = []
        self._lock = threading.Lock()

    def add(self, step: int, epoch: int, epoch_step: int, loss: float, rate: float) -> None:
        row = f"{step},{epoch},{epoch_step},{loss:.7f},{rate:.10g}\n"
        with self._lock:
            self._waiting.append(row)

    def flush(self, *, durable: bool = False) -> None:
        """Write what waits, with the header into a new file; ``durable`` also forces it to the disk. Raises OSError."""
        with self._lock:
            if not self._waiting and not durable:
                return
            with self._path.open("a", encoding="utf-8") as file:
                if file.tell() == 0:
                    file.write(",".join(COLUMNS) + "\n")
                file.writelines(self._waiting)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            self._waiting.clear()


def cut_table(path: Path, step: int) -> None:
    """Drop the rows after ``step``, and a half-written one: a resumed run writes them again."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines[1:] if line.endswith("\n") and int(line.split(",", 1)[0]) <= step]
    write_atomic(path, "".join([",".join(COLUMNS) + "\n", *kept]))
