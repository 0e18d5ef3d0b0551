"""``python -m tinv_tui.worker RUN [--wait-free BYTES]``: train a run folder to its end, fresh or from its checkpoint."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from tinv_tui.errors import InputError
from tinv_tui.models.fetch_ahead import fetch_ahead
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.leftovers import sweep_leftovers
from tinv_tui.runs.liveness import STOPPING, RunLock
from tinv_tui.runs.status import Status, read_status
from tinv_tui.worker.device import TakenDevice
from tinv_tui.worker.early import EndedEarly
from tinv_tui.worker.hook import become_hook
from tinv_tui.worker.reporter import Reporter
from tinv_tui.worker.signals import Signals


def main() -> int:
    """Lock the run and train it; the exit code is 0 (finished or stopped), 1 (failed) or 2 (bad input).

    Where the user wants a command run at the end, the process becomes the one that does that: by then the run, its lock and
    all memory are let go of.
    """
    parser = argparse.ArgumentParser(prog="python -m tinv_tui.worker")
    parser.add_argument("run", type=Path)
    parser.add_argument("--wait-free", type=int, default=0, metavar="BYTES")
    asked = parser.parse_args()
    folder = RunFolder(asked.run.absolute())
    try:
        RunLock(folder.lock)  # before torch is imported: from here on the run is seen to be alive
    except BlockingIOError as error:
        print(error, file=sys.stderr)
        return 1
    sweep_leftovers(folder)
    signals = Signals()

    # A cluster may tell every process of a job, and the waiting command line tells it again: once or twice is the same.
    for number in STOPPING:
        signal.signal(number, lambda _number, _frame: signals.stop.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, lambda _number, _frame: signals.save.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)  # they were held back until now, by who started this

    status = read_status(folder.status) or Status(name=folder.name)
    reporter = Reporter(folder, replace(status, state="starting", phase="loading", pid=os.getpid()))
    began = time.monotonic()
    try:
        device = TakenDevice(folder, reporter, signals, asked.wait_free)
    except EndedEarly as early:
        seconds = round(time.monotonic() - began, 2)
        reason = f"told to {'pause' if early.released else 'stop'} while it waited for memory"
        reporter.update(released=early.released)
        state = "paused" if early.released else "stopped"
        reporter.end(state, reason=reason, embedding=None, seconds=seconds, steps_per_second=None)
        become_hook(folder, 0)
        return 0

    _fetch_model_ahead(folder)
    from tinv_tui.worker.session import run_session  # imports torch: 1.5 s

    try:
        code = run_session(folder, signals, reporter)
    finally:
        device.release()
    become_hook(folder, code)
    return code


def _fetch_model_ahead(folder: RunFolder) -> None:
    try:
        fetch_ahead(load_recipe(folder.recipe).model.path, folder.path)
    except InputError:
        pass  # the session says what is wrong with it


if __name__ == "__main__":
    sys.exit(main())
