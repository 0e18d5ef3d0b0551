"""Short tasks in a process of their own: what needs torch for a moment, or must not stall a screen.

A job is no run: it keeps no folder, and it ends with the process that asked for it. It is given its arguments as one JSON
line on stdin and answers with JSON lines on stdout; ``tinv_tui.worker.jobs`` is the other end.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from typing import IO, Any

from tinv_tui import paths
from tinv_tui.errors import InputError
from tinv_tui.interpreter import PYTHON
from tinv_tui.telemetry.room import NVIDIA_ORDER

Progress = dict[str, Any]
"""``done`` and ``total``, and whatever else the job tells beside them."""

_LINE_BYTES = 2**24
"""The longest line a job may answer with."""
_PATIENCE_SECONDS = 10.0


class JobBroken(Exception):
    """The job failed through no fault of its input; the message is one line, ``hint`` says where the story is told."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class JobCancelled(Exception):
    """The job was told to stop, and did."""


class Job:
    """A job under way. Leaving the process that holds it ends the job: its stdin closes."""

    def __init__(self, process: asyncio.subprocess.Process, words: IO[bytes]) -> None:
        self._process = process
        self._words = words
        self._cancelled = False
        self.result: dict[str, Any] | None = None
        """Set when :meth:`progress` has come to its end."""

    @classmethod
    async def start(cls, kind: str, **arguments: Any) -> Job:
        """Start a job by its kind (the name of its module in ``tinv_tui.worker``); arguments are plain JSON values."""
        words = tempfile.TemporaryFile()  # noqa: SIM115  the job's stderr; read when it breaks, gone with this object
        process = await asyncio.create_subprocess_exec(
            *PYTHON,
            "-m",
            "tinv_tui.worker.jobs",
            kind,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=words,
            start_new_session=True,
            limit=_LINE_BYTES,
            env={**NVIDIA_ORDER, **os.environ, "TINV_HOME": str(paths.home()), "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(arguments).encode() + b"\n")
        return cls(process, words)

    async def progress(self) -> AsyncIterator[Progress]:
        """The job's progress until it is done; then ``result`` is set.

        Raises InputError for what was wrong with its input, JobCancelled, or JobBroken.
        """
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            match told.pop("kind"):
                case "progress":
                    yield told
                case "result":
                    self.result = told
                case "input-error":
                    await self._process.wait()
                    raise InputError(told["code"], told["message"], told["hint"])
        code = await self._process.wait()
        if self._cancelled:
            raise JobCancelled
        if self.result is None or code:
            self._words.seek(0)
            lines = self._words.read().decode(errors="replace").strip().splitlines()
            raise JobBroken(lines[-1] if lines else f"the process ended with code {code}", "\n".join(lines[-12:-1]))

    async def cancel(self) -> None:
        """Tell the job to stop, and make it stop where it does not listen; its whole process group goes."""
        self._cancelled = True
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.returncode is None:
                try:
                    os.killpg(self._process.pid, number)
                    await asyncio.wait_for(self._process.wait(), _PATIENCE_SECONDS)
                except (ProcessLookupError, TimeoutError):
                    pass


async def run_job(kind: str, on_progress: Callable[[Progress], None] | None = None, **arguments: Any) -> dict[str, Any]:
    """Start a job and wait for its result; a waiter that is cancelled, or ctrl-c, ends it.

    Raises InputError, JobCancelled or JobBroken.
    """
    job = await Job.start(kind, **arguments)
    try:
        async for news in job.progress():
            if on_progress is not None:
                on_progress(news)
    finally:
        await job.cancel()
    assert job.result is not None
    return job.result
