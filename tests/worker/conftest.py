"""Workers are real processes: each test's are ended with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tinv_tui.runs.folder import all_runs
from tinv_tui.runs.liveness import is_locked, read_holder


@pytest.fixture(autouse=True)
def _no_worker_outlives_its_test() -> Iterator[None]:
    yield
    for run in all_runs():
        holder = read_holder(run.lock)
        if is_locked(run.lock) and holder is not None and holder.pid != os.getpid():
            os.kill(holder.pid, signal.SIGKILL)
