"""Has a dataset's pixels looked through beside the event loop, and can be left at any time.

A process of its own does it (``tinv_tui.worker.looker``): decoded pictures fill memory that this one would not give back, and
no file can take the app down with the library that reads it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tinv_tui.interpreter import PYTHON

if TYPE_CHECKING:
    from pathlib import Path

    from tinv_tui.datasets.closer_look import CloserLook

_SAY_SECONDS = 3.0
PATIENCE_SECONDS = 10.0
"""The next look waits so long for the one before to be left."""


class LookBroken(Exception):
    """The process that looks has broken down; the message is a line."""


class Left(Exception):
    """Nobody waits for the outcome any more."""


class Looker:
    """The process, started when it is needed; it ends by itself when it is not for a while. One look at a time."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self._turn, self._writing = threading.Lock(), threading.Lock()
        self._asking: threading.Event | None = None

    def look(
        self, paths: Sequence[str], side: int, left: threading.Event, progress: Callable[[int, int], None]
    ) -> dict[str, Any]:
        """The look as JSON values; it may take minutes. Raises LookBroken, and Left once :meth:`leave` was called."""
        while not self._turn.acquire(timeout=PATIENCE_SECONDS):
            self._end_if_stuck()
        try:
            for _ in range(2):  # it may have ended just now, for nobody had asked it for so long
                answer = self._ask({"paths": list(paths), "side": side}, left, progress)
                if answer is not None:
                    return answer
        finally:
            self._turn.release()
        raise LookBroken("the process that looks closer ends before it answers")

    def leave(self, left: threading.Event) -> None:
        """End the look that was asked for with this event, after the pictures in hand."""
        left.set()
        with self._writing:
            if self._asking is left:
                self._write({})

    def _end_if_stuck(self) -> None:
        """A library may be caught in a picture for good, and never come to hear that nobody waits."""
        with self._writing:
            if self._asking is not None and self._asking.is_set() and self.process is not None:
                self.process.kill()

    def _ask(
        self, request: dict[str, Any], left: threading.Event, progress: Callable[[int, int], None]
    ) -> dict[str, Any] | None:
        with self._writing:
            if left.is_set():
                raise Left
            if self.process is None or self.process.poll() is not None:
                self.process = _start()
            self._asking = left
            self._write(request)
        assert self.process.stdout is not None
        try:
            for line in self.process.stdout:
                told = json.loads(line)
                if "look" in told:
                    return dict(told["look"])
                if "left" in told:
                    raise Left
                progress(told["done"], told["total"])
        finally:
            with self._writing:
                self._asking = None
        if code := self.process.wait():
            raise LookBroken(f"the process that looks closer has broken down (exit code {code})")
        return None

    def _write(self, request: dict[str, Any]) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # whoever reads its answers finds that it has ended


def _start() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*PYTHON, "-m", "tinv_tui.worker.looker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        start_new_session=True,
        cwd="/",
    )
    threading.Thread(target=process.wait, daemon=True).start()  # nobody may ask again, and it would stay a zombie
    return process


looker = Looker()


async def look_closer(paths: Sequence[Path], side: int, say: Callable[[str], None]) -> CloserLook:
    """What the pixels of these pictures tell, trained with a shorter side of ``side`` pixels.

    ``say`` gets a few words on how far it is, now and then. Cancelling the waiter ends it after the pictures in hand.
    Raises LookBroken.
    """
    from tinv_tui.app.wording import duration
    from tinv_tui.datasets.closer_look import CloserLook

    loop, left = asyncio.get_running_loop(), threading.Event()
    began = said = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= _SAY_SECONDS and done < total:
            said = now
            remaining = duration((now - began) / done * (total - done))
            loop.call_soon_threadsafe(say, f"{done} of {total} · {remaining} left")

    if not paths:
        return CloserLook((), (), (), is_low_in_variety=False)
    try:
        return CloserLook.from_json(await asyncio.to_thread(looker.look, list(map(str, paths)), side, left, progress))
    finally:
        looker.leave(left)
