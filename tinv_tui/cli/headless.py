"""Waits for a run on the plain command line: progress on stderr, ctrl-c stops and saves."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import Any

import click

from tinv_tui.cli.output import EXIT_INTERRUPTED, JobFailed, duration, folder_gone, say, say_over
from tinv_tui.runs.ending import signal_worker
from tinv_tui.runs.events import Event
from tinv_tui.runs.phases import counted
from tinv_tui.runs.run import HOOK_FAILED, Run
from tinv_tui.runs.status import FINAL_STATES
from tinv_tui.settings import wants_bell

_LINE_SECONDS = 5.0
_NOT_THE_INPUT = ("internal", "not-finite", "memory-out")
"""Codes of runs that failed and whose worker ended with 1; what else it says is of a fault of input."""


class Progress:
    """One line that renews itself in a terminal; a line now and then where stderr is a file."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._live = sys.stderr.isatty()
        self._shown = 0.0
        self.loss: float | None = None

    def show(self, event: Event) -> None:
        match event["kind"]:
            case "step":
                self.loss = event["loss"]
                self._step(event)
            case "phase" if event["name"] == "waiting":
                self._line(event["message"])
            case "phase" if event["name"] in ("loading", "encoding"):
                self._line(counted(event["name"], event["done"], event["total"]), passing=True)
            case "started":
                self._steps = event["steps"]
                origin = f" from step {event['from_step']}" if event["from_step"] else ""
                self._line(f"started on {event['device']}, {event['model']}, {event['pictures']} pictures{origin}")
            case "saved" if event["what"] == "copy":
                self._line(f"copy {event['path']}")
            case "preview":
                self._line(f"preview {event['path']}")
            case "warning":
                self._line(f"warning: {event['message']}")
            case "note":
                self._line(event["message"])
            case "changed" if event["key"] == "training.steps":
                self._steps = int(event["new"])
            case "ack":
                self._line(f"{event['command']}: {event['message']}")

    def _step(self, event: Event) -> None:
        rate = event.get("steps_per_second")
        left = (self._steps - event["step"]) / rate if rate else None
        text = f"step {event['step']}/{self._steps}  loss {event['loss']:.4f}"
        text += f"  {rate:.2f}/s  {duration(left)} left" if rate else ""
        self._line(text, passing=True)

    def _line(self, words: str, *, passing: bool = False) -> None:
        text = " ".join(words.splitlines())
        if self._live:
            say_over(text, stays=not passing)
        elif not passing or time.monotonic() - self._shown > _LINE_SECONDS:
            self._shown = time.monotonic()
            say(text, err=True)

    def close(self) -> None:
        if self._live:
            say_over("")


async def wait_for(run: Run, steps: int) -> dict[str, Any]:
    """Follow a run this process started to its end; the fields of the JSON contract, and ``interrupted``.

    The first ctrl-c, or TERM, stops the run and saves; a second ctrl-c ends the worker at once, which costs at most the
    steps since its last checkpoint. Raises JobFailed, with exit code 130 when it was ended from here.
    """
    progress = Progress(steps)
    interrupts = 0
    ended: Event | None = None

    async def follow() -> None:
        nonlocal ended
        async for event in run.events():
            progress.show(event)
            if event.get("code") != HOOK_FAILED:
                ended = event if event["kind"] == "ended" else None

    following = asyncio.ensure_future(follow())

    def tell_worker(number: int) -> None:
        if not _signal_worker(run, number):
            following.cancel()  # a paused run whose worker is gone: it stays as it is

    def interrupt() -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts == 1:
            click.echo("\nstopping after this step and saving; ctrl-c again ends it at once", err=True)
            tell_worker(signal.SIGTERM)
        else:
            tell_worker(signal.SIGKILL)

    def terminate() -> None:
        nonlocal interrupts
        interrupts += 1
        tell_worker(signal.SIGTERM)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        await following
    except asyncio.CancelledError:
        if not interrupts:
            raise
    progress.close()
    if sys.stderr.isatty() and wants_bell():
        click.echo("\a", err=True, nl=False)
    try:
        result = summary(run, ended, progress.loss)
    except JobFailed as error:
        error.exit_code = EXIT_INTERRUPTED if interrupts else error.exit_code
        raise
    return result | {"interrupted": interrupts > 0}


def summary(run: Run, ended: Event | None, loss: float | None) -> dict[str, Any]:
    """The JSON fields of a run that is over. Raises JobFailed when it failed or left without a word."""
    state, status = run.state()
    result: dict[str, Any] = {
        "run": str(run.folder.path),
        "name": run.folder.name,
        "state": state,
        "steps": ended["step"] if ended else (status.step if status else 0),
        "embedding": ended.get("embedding") if ended else None,
        "loss": loss,
        "seconds": ended.get("seconds") if ended else None,
        "steps_per_second": ended.get("steps_per_second") if ended else None,
    }
    if ended is not None and ended["state"] == state == "paused":
        return result
    if run.folder.is_gone:
        raise folder_gone(run.folder, result)
    if ended is None or state not in FINAL_STATES:
        last = _last_line(run)
        raise JobFailed("worker-lost", f"the worker of {run.folder.name} is gone{last}", _resume_hint(run), 1, result)
    if ended["state"] == "failed":
        exit_code = 1 if ended.get("code") in _NOT_THE_INPUT else 2
        raise JobFailed(str(ended.get("code")), str(ended["reason"]), str(ended.get("hint", "")), exit_code, result)
    return result


def _signal_worker(run: Run, number: int) -> bool:
    """Also a worker that somebody else started when the run was paused in between; False when there is none to tell."""
    if run.process is not None and run.process.poll() is None:
        os.kill(run.process.pid, number)
        return True
    return signal_worker(run.folder, number) or run.state()[0] != "paused"


def _last_line(run: Run) -> str:
    try:
        lines = run.folder.worker_log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f" ({lines[-1]})" if lines else ""


def _resume_hint(run: Run) -> str:
    return f"Go on from the last checkpoint: tinv-tui resume {run.folder.handle}"
