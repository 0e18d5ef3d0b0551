"""The present of a run, ``status.json``: replaced whole every second or two while the worker lives."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from tinv_tui.atomic import is_disk_trouble, write_atomic

_AGAIN_SECONDS = 0.01
FINAL_STATES = ("finished", "stopped", "failed")


@dataclass(frozen=True)
class Status:
    """What a glance needs. Times are seconds, memory bytes; a value that is not known yet is None."""

    v: int = 1
    state: str = "starting"
    """starting, running, paused, finished, stopped or failed, as the worker itself sees it."""
    reason: str = ""
    """Why it is paused or ended, in words; empty where the state says all."""
    name: str = ""
    phase: str = ""
    """waiting (for memory), loading, encoding, training, previewing, saving; empty once ended."""
    step: int = 0
    steps: int = 0
    released: bool = False
    """Paused by checkpoint and exit: no worker is left, and a new one goes on from there."""
    epoch: int = 0
    loss: float | None = None
    evaluation: float | None = None
    best_step: int | None = None
    learning_rate: float | None = None
    steps_per_second: float | None = None
    eta_seconds: float | None = None
    device: str = ""
    memory_bytes: int | None = None
    """Of the host's memory."""
    gpu_bytes: int | None = None
    """Of a GPU's memory, by the worker's own account: in a container the driver may know it by another pid."""
    pid: int = 0
    beat: int = 0
    """Counts up while the worker lives, so that a viewer on another host needs no common clock."""
    t: str = ""


def write_status(path: Path, status: Status) -> None:
    """Replace the file; never half a status. Not fsynced: it is out of date in a second anyway. Raises OSError."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    content = json.dumps(asdict(status) | {"t": now})
    try:
        write_atomic(path, content, durable=status.state in FINAL_STATES or status.released)
    except OSError as error:
        if not is_disk_trouble(error):
            raise
        try:
            _overwrite(path, content.encode())
        except FileNotFoundError:
            raise error from None


def _overwrite(path: Path, content: bytes) -> None:
    """Where a full disk has no room for a second file: over the first, whose block is there already."""
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        os.pwrite(handle, content.ljust(os.fstat(handle).st_size), 0)
    finally:
        os.close(handle)


def read_status(path: Path) -> Status | None:
    """The last status written; None when there is none that can be read. Unknown keys are passed over."""
    content = None
    for patience in (_AGAIN_SECONDS, 0.0):
        try:
            content = json.loads(path.read_bytes())
            break
        except OSError:
            return None
        except ValueError:  # perhaps it is being written over: see above
            time.sleep(patience)
    if not isinstance(content, dict):
        return None
    known = {f.name for f in fields(Status)}
    try:
        return Status(**{k: v for k, v in content.items() if k in known})
    except TypeError:
        return None
