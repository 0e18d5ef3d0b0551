"""Waits for a job on the plain command line: progress and time left on stderr, ctrl-c ends it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

from tinv_tui import paths
from tinv_tui.atomic import write_atomic
from tinv_tui.cli.output import JobFailed, duration, megabytes, say, say_over
from tinv_tui.runs.jobs import JobBroken, Progress, run_job
from tinv_tui.runs.phases import counted

_LINE_SECONDS = 5.0


class JobLine:
    """One line that renews itself in a terminal; a line now and then where stderr is a file."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._said = 0.0
        self._phase = ""
        self._began = (time.monotonic(), 0)

    def show(self, news: Progress) -> None:
        now, done, total, phase = time.monotonic(), news["done"], news["total"], str(news.get("phase", "working"))
        if phase != self._phase:  # time left is told of one kind of work at a time
            self._phase, self._began = phase, (now, done)
        since, at = self._began
        left = (now - since) / (done - at) * (total - done) if done > at else None
        if news.get("unit") == "bytes":
            rate = f"  {megabytes((done - at) / (now - since))}/s" if done > at else ""
            text = f"{phase} {megabytes(done)} of {megabytes(total)}{rate}" if total else phase
        else:
            text = counted(phase, done, total)
        text += f"  {duration(left)} left" if left is not None else ""
        if self._live:
            say_over(text)
        elif now - self._said > _LINE_SECONDS:
            self._said = now
            say(text, err=True)

    def close(self) -> None:
        if self._live:
            say_over("")


def kept_story(kind: str, error: JobBroken) -> str:
    """Where the last words of a job that broke are to be read: too many lines for an error. "" where it had no more."""
    if not error.hint:
        return ""
    path = paths.job_log()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, f"{kind}\n\n{error.hint}\n{error}\n")
    except OSError:
        return error.hint
    return f"What it said last is in {path}"


def wait_for_job(kind: str, on_news: Callable[[Progress], None] = lambda _: None, **arguments: Any) -> dict[str, Any]:
    """Run a job to its end and give its result. Raises InputError, JobFailed, or KeyboardInterrupt after a ctrl-c."""
    line = JobLine()

    def show(news: Progress) -> None:
        line.show(news)
        on_news(news)

    try:
        return asyncio.run(run_job(kind, show, **arguments))
    except JobBroken as error:
        raise JobFailed("job-broken", f"{kind} failed: {error}", kept_story(kind, error), 1) from None
    finally:
        line.close()
