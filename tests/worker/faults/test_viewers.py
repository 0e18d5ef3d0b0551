"""Viewers that stall, and thirty at once: the run neither waits for them nor slows down for long."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults import FaultRecord
from tests.worker.faults.support import Watch, eventful_recipe
from tinv_tui.runs.run import Run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

STALL_SECONDS = 10.0
COMMAND = [sys.executable, "-m", "tinv_tui"]


async def endless() -> tuple[Run, Watch]:
    run = await Run.start(eventful_recipe(training__steps=1_000_000, saving__embedding_every=0, saving__image_every=0))
    watch = Watch(run)
    await watch.steps(20)
    return run, watch


async def rate(run: Run, seconds: float) -> float:
    """Steps per second by the status, which is renewed once a second."""
    first, began = run.state()[1], time.monotonic()
    await asyncio.sleep(seconds)
    last, took = run.state()[1], time.monotonic() - began
    assert first is not None
    assert last is not None
    return (last.step - first.step) / took


async def stopped(run: Run) -> None:
    await run.command("stop", save=False)
    ended = await run.wait()
    assert ended is not None
    assert ended["state"] == "stopped"


@contextmanager
def app_that_nobody_reads() -> Iterator[int]:
    """The app in a terminal whose other end is held and never read: its writes block once the buffer is full."""
    pid, master = pty.fork()
    if not pid:
        os.execve(sys.executable, [*COMMAND, "attach", "zork"], os.environ | {"TERM": "xterm-256color"})
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(master)


@contextmanager
def tails(count: int) -> Iterator[list[subprocess.Popen[str]]]:
    command = [*COMMAND, "tail", "zork", "--lines", "1"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


async def test_a_viewer_that_stalls_does_not_hold_the_run(fault: FaultRecord) -> None:
    run, _ = await endless()
    before = await rate(run, STALL_SECONDS)
    with app_that_nobody_reads() as app, tails(1) as (tail,):
        await asyncio.sleep(5)
        os.kill(app, signal.SIGSTOP)
        tail.send_signal(signal.SIGSTOP)
        during = await rate(run, STALL_SECONDS)
    assert during > before / 2
    await stopped(run)
    fault("viewers stalled for 10 s (app, tail)", 2, note=f"{before:.1f} steps/s before, {during:.1f} meanwhile")


async def test_thirty_viewers_see_the_end_and_the_run_goes_on_beside_them(fault: FaultRecord) -> None:
    run, watch = await endless()
    alone = await rate(run, STALL_SECONDS)
    with tails(30) as viewers:
        for viewer in viewers:
            assert viewer.stdout is not None
            assert await asyncio.to_thread(viewer.stdout.readline)
        beside = await rate(run, STALL_SECONDS)
        await watch.steps(5)
        await stopped(run)
        last = [(await asyncio.to_thread(viewer.communicate))[0].splitlines()[-1] for viewer in viewers]
    assert all("stopped at step" in line for line in last)
    assert beside > alone / 5  # they have the processors to share, and nothing else
    fault("30 viewers at once", 30, note=f"{alone:.1f} steps/s alone, {beside:.1f} beside them")
