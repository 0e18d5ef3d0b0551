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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tinv_tui.app.helper import start_helper, write_line
from tinv_tui.errors import in_one_line

if TYPE_CHECKING:
    from pathlib import Path

    from tinv_tui.datasets.closer_look import CloserLook

PATIENCE_SECONDS = 10.0
"""A look that was left is given so long to end, when the next is asked for."""
_SAY_SECONDS = 3.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Seen:
    """What a look told, and of which files: each with its size and the time it was written."""

    files: tuple[tuple[str, int, int], ...]
    side: int
    look: CloserLook


class LookBroken(Exception):
    """The process that looks has broken down; the message is a line."""


class Left(Exception):
    """Nobody waits for the outcome any more."""


class Looker:
    """The process, started when it is needed; it ends by itself when it is not for a while. One look at a time.

    Every request is answered once, with a look or with word that it was left.
    """

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self._turn, self._writing = threading.Lock(), threading.Lock()
        self._asking: threading.Event | None = None

    def look(
        self, paths: Sequence[str], side: int, left: threading.Event, progress: Callable[[int, int], None]
    ) -> dict[str, Any]:
        """The look as JSON values; it may take minutes. Raises LookBroken, and Left once :meth:`leave` was called."""
        patience = time.monotonic() + PATIENCE_SECONDS
        while not self._turn.acquire(timeout=_POLL_SECONDS):
            if left.is_set():
                raise Left
            if time.monotonic() > patience:
                self._end_if_stuck()
        try:
            self._asking = left
            request = json.dumps({"paths": list(paths), "side": side})
            answer = self._ask(request, left, progress)
            if answer is None:  # it had ended just then, or its first picture ends it
                answer = self._ask(request, left, progress)
            if answer is None:
                raise LookBroken("the process that looks closer ends before it answers")
            return answer
        except (OSError, ValueError) as error:  # it cannot be started; half an answer
            raise LookBroken(f"the process that looks closer has broken down ({in_one_line(error)})") from None
        finally:
            self._asking = None
            self._turn.release()

    def leave(self, left: threading.Event) -> None:
        """End the look that was asked for with this event, after the pictures in hand. It never waits."""
        left.set()
        if self._asking is left:
            threading.Thread(target=self._tell_it_is_left, args=(left,), daemon=True).start()

    def end(self) -> None:
        """End a look that is under way at once, for nobody can wait for it any more."""
        if self._asking is not None:
            self._asking.set()
            self._end_if_stuck()

    def _tell_it_is_left(self, left: threading.Event) -> None:
        with self._writing:
            if self._asking is left and self.process is not None:
                write_line(self.process, "{}")

    def _end_if_stuck(self) -> None:
        """A library may be caught in a picture for good, and never come to hear that nobody waits."""
        asking, process = self._asking, self.process
        if asking is not None and asking.is_set() and process is not None:
            process.kill()

    def _ask(self, request: str, left: threading.Event, progress: Callable[[int, int], None]) -> dict[str, Any] | None:
        """None when the process ends without a word."""
        if self.process is None or self.process.poll() is not None:
            self.process = start_helper("tinv_tui.worker.looker")
        process = self.process
        with self._writing:
            if left.is_set():
                raise Left
            write_line(process, request)
        assert process.stdout is not None
        said = False
        for line in process.stdout:
            said, told = True, json.loads(line)
            if "look" in told:
                return dict(told["look"])
            if "left" in told:
                raise Left
            progress(told["done"], told["total"])
        code = process.wait()
        if left.is_set():
            raise Left
        if said:
            raise LookBroken(f"the process that looks closer has broken down (exit code {code})")
        return None


looker = Looker()


async def look_closer(paths: Sequence[Path], side: int, say: Callable[[str], None], before: Seen | None = None) -> Seen:
    """What the pixels of these pictures tell, trained with a shorter side of ``side`` pixels; ``before`` where that holds.

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

    files = await asyncio.to_thread(lambda: tuple(map(_as_it_is, paths)))
    if before is not None and (before.files, before.side) == (files, side):
        return before
    if not files:
        return Seen(files, side, CloserLook((), (), (), is_low_in_variety=False))
    try:
        told = await asyncio.to_thread(looker.look, [name for name, _, _ in files], side, left, progress)
        return Seen(files, side, CloserLook.from_json(told))
    finally:
        looker.leave(left)


def _as_it_is(path: Path) -> tuple[str, int, int]:
    try:
        now = path.stat()
    except OSError:
        return str(path), -1, 0
    return str(path), now.st_size, now.st_mtime_ns
