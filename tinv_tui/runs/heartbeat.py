"""Whether a run's heart is seen to beat, on the viewer's own clock: those of two hosts differ, and a clock may jump."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tinv_tui.runs.status import Status, read_status

_LOOK_AGAIN_SECONDS = 3.0
"""A worker renews its status once a second: one that lives is seen to do so within this time."""
_POLL_SECONDS = 0.05

_Mark = tuple[int, int, str]


@dataclass(frozen=True)
class _Beat:
    mark: _Mark
    at: float


_last_beats: dict[Path, _Beat] = {}
"""Of each status file that this process looks at: what was last new in it, and when that was on the monotonic clock."""


def is_silent(path: Path, status: Status, seconds: float) -> bool:
    """Whether the worker has not renewed its status, just read from ``path``, for so long.

    At the first look the time in the status is believed where it is recent. Where it is not, be it that the worker hangs or
    that a clock is wrong, the file is watched for a few seconds.
    """
    last, mark = _last_beats.get(path), _mark(status)
    if last is not None and last.mark == mark:
        return time.monotonic() - last.at > seconds
    age = age_seconds(status)
    if last is not None or -1 < age <= seconds:
        _last_beats[path] = _Beat(mark, time.monotonic() - (0 if last is not None else max(0.0, age)))
        return False
    deadline = time.monotonic() + _LOOK_AGAIN_SECONDS
    while time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        again = read_status(path)
        if again is not None and _mark(again) != mark:
            _last_beats[path] = _Beat(_mark(again), time.monotonic())
            return False
    _last_beats[path] = _Beat(mark, time.monotonic() - seconds - _LOOK_AGAIN_SECONDS)
    return True


def _mark(status: Status) -> _Mark:
    return status.pid, status.beat, status.t


def age_seconds(status: Status) -> float:
    """By the clocks of who wrote it and of this host; infinite where it cannot be told."""
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(status.t)).total_seconds()
    except (TypeError, ValueError):
        return float("inf")
