"""A wall clock that jumps: the run trains on, and no viewer takes it for lost."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults import FaultRecord
from tests.worker.faults.support import Outcome, Watch, eventful_recipe, finished
from tinv_tui.runs.run import Run

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed"),
]

DAY = 86400.0

# Adds a number of seconds, read from a file, to the wall clock of a process; the monotonic clock stays as it is.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long offset(void) {
    static __thread int busy;
    long seconds = 0;
    const char *path = getenv("CLOCK_OFFSET_FILE");
    if (busy || !path) return 0;
    busy = 1;
    FILE *file = fopen(path, "r");
    if (file) { if (fscanf(file, "%ld", &seconds) != 1) seconds = 0; fclose(file); }
    busy = 0;
    return seconds;
}
int clock_gettime(clockid_t which, struct timespec *t) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(which, t);
    if (!failed && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) t->tv_sec += offset();
    return failed;
}
int gettimeofday(struct timeval *t, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}
"""


class Clock:
    """The wall clock of every process that is started while the test runs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source, library = folder / "clock.c", folder / "clock.so"
        source.write_text(SHIM)
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
        self._offset = folder / "offset"
        monkeypatch.setenv("LD_PRELOAD", str(library))
        monkeypatch.setenv("CLOCK_OFFSET_FILE", str(self._offset))
        self.jump_to(0)

    def jump_to(self, seconds: float) -> None:
        fresh = self._offset.with_suffix(".new")
        fresh.write_text(f"{seconds:.0f}")
        fresh.rename(self._offset)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(tmp_path, monkeypatch)


async def states_seen(run: Run, seconds: float) -> set[str]:
    """What a viewer with a clock of its own would say of a run, asked again and again."""
    deadline, seen = time.monotonic() + seconds, set[str]()
    while time.monotonic() < deadline:
        seen.add(run.state()[0])
        await asyncio.sleep(0.02)
    return seen


async def test_a_worker_whose_clock_jumps_is_never_taken_for_lost(
    clock: Clock, never_disturbed: Outcome, fault: FaultRecord
) -> None:
    run = await Run.start(eventful_recipe())
    task = asyncio.create_task(finished(run))
    await Watch(run).steps(3)
    for offset in (3 * DAY, -3 * DAY, 60.0, 0.0):
        clock.jump_to(offset)
        seen = await states_seen(run, 1.5)
        assert seen <= {"running", "finished"}, f"{seen} after {offset:.0f} s"
    assert await task == never_disturbed
    fault("the worker's clock jumps by days", 4, steps_lost=0, identical=True)
