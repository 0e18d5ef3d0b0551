"""Has a run wait for its disk, until there is room or it is back: it pauses and goes on by itself, and loses nothing."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tinv_tui.atomic import disk_trouble
from tinv_tui.errors import InputError
from tinv_tui.runs.folder import RunFolder
from tinv_tui.worker.reporter import Reporter

FLOOR_BYTES = 4 * 2**20
"""Left free by what a run writes, so that its story can still be told and a command be left for it."""
_LOOK_SECONDS = 1.0
_POLL_SECONDS = 0.2

_T = TypeVar("_T")


class GaveUp(Exception):
    """The run was told to stop while it waited for its disk. Says what it waited for."""


@dataclass(frozen=True)
class _Lack:
    """What keeps a write from the disk: in words, and whether it is room."""

    words: str
    of_room: bool


class DiskRoom:
    """Goes before each write that matters. ``must_stop`` is asked while it waits; what it raises ends the wait."""

    def __init__(self, run: Path, reporter: Reporter, must_stop: Callable[[], bool]) -> None:
        self._run = run
        self._reporter = reporter
        self._looked = 0.0
        self.must_stop = must_stop

    def look(self) -> None:
        """Between steps: wait where what is told of the run finds no room any more. Raises GaveUp."""
        if time.monotonic() - self._looked >= _LOOK_SECONDS or self._reporter.is_held_up:
            self._looked = time.monotonic()
            if self._reporter.is_held_up or _lack(self._run, 0):
                self.write(self._run, self._reporter.flush)

    def write(self, path: Path, write: Callable[[], _T], needs: int = 0) -> _T:
        """What ``write`` returns, which is called until the disk takes it, once there are ``needs`` bytes and the floor.

        ``path`` is the file, or a folder of its disk. A folder of the run that is gone is made again. Raises GaveUp, InputError
        where a folder within the run's has been replaced by a link, and what ``write`` raises for other reasons, which it
        has where the run's folder itself is gone.
        """
        before = self._reporter.status.state
        waited_for: _Lack | None = None
        while True:
            told_to_stop = self.must_stop()
            lack = _lack(path, needs)
            if lack is None or told_to_stop:  # the floor is kept for just that
                try:
                    written = self._try(path, write)
                except OSError as error:
                    lack = _lack_of(error, path)
                    if lack is None or RunFolder(self._run).is_gone:
                        raise
                else:
                    if waited_for is not None:
                        self._go_on(before, waited_for)
                    return written
            if told_to_stop:
                raise GaveUp(lack.words)
            if waited_for is None or waited_for.of_room != lack.of_room:
                self._tell(lack)
            waited_for = lack
            if self._reporter.status.reason != lack.words:
                self._reporter.update(state="paused", reason=lack.words)
            time.sleep(_POLL_SECONDS)

    def _try(self, path: Path, write: Callable[[], _T]) -> _T:
        self._require_no_link(path)  # each time: one may be put there while it waits
        try:
            return write()
        except FileNotFoundError:
            if not self._made_again(path.parent):
                raise
            return write()

    def _made_again(self, folder: Path) -> bool:
        """Whether it was a folder of the run and gone, while the run is there: somebody has tidied up too much."""
        if folder.parent != self._run or os.path.lexists(folder) or RunFolder(self._run).is_gone:
            return False
        folder.mkdir(mode=0o700, exist_ok=True)
        message = f"{folder} was gone with all that was in it: it is made again"
        self._reporter.tell("warning", code="folder-gone", message=message, hint="What is in it is the run's own.")
        return True

    def _require_no_link(self, path: Path) -> None:
        """What is written to a run stays in its folder."""
        if path == self._run or not path.is_relative_to(self._run):
            return
        for folder in path.parents:
            if folder == self._run:
                return
            if os.path.islink(folder):  # which does not raise where the disk is away
                message = f"{folder} has become a link: a run writes nothing outside its folder"
                raise InputError("folder-linked", message, "Put the folder back, and resume.")

    def _tell(self, lack: _Lack) -> None:
        code = "disk-full" if lack.of_room else "disk-trouble"
        hint = f"Once {'there is room' if lack.of_room else 'it can be written to'} it goes on by itself."
        self._reporter.tell("warning", code=code, message=f"paused: {lack.words}", hint=hint)

    def _go_on(self, state: str, lack: _Lack) -> None:
        self._reporter.update(state=state, reason="")
        code = "disk-room" if lack.of_room else "disk-back"
        message = "there is room on the disk again" if lack.of_room else "the disk can be written to again"
        self._reporter.tell("warning", code=code, message=f"{message}: going on", hint="")


def _lack(path: Path, needs: int) -> _Lack | None:
    """What is missing; None where there is room, and where the file system does not tell."""
    place = _existing(path)
    free = _free_bytes(place)
    if free is None or free >= needs + FLOOR_BYTES:
        return None
    needed = _megabytes(needs + FLOOR_BYTES)
    return _Lack(f"the disk is full: {_megabytes(free)} free in {place}, needs {needed}", of_room=True)


def _lack_of(error: OSError, path: Path) -> _Lack | None:
    """None for an error that does not pass."""
    place = _existing(path)
    match disk_trouble(error):
        case None:
            return None
        case "full" if error.errno == errno.EDQUOT:
            return _Lack(f"the disk quota is used up: {place} takes no more", of_room=True)
        case "full":
            free = _free_bytes(place)
            told = f" ({_megabytes(free)} free)" if free else ""
            return _Lack(f"the disk is full: {place} takes no more{told}", of_room=True)
        case "away":
            words = f"the disk cannot be reached: {place}: {error.strerror}"
        case "closed":
            words = f"the disk lets nothing be written to {place}: {error.strerror}"
        case "broken" if error.errno == errno.EROFS:
            words = f"the disk has become read-only: {place}"
        case "broken":
            words = f"the disk does not take what is written to {place}: {error.strerror}"
    return _Lack(words, of_room=False)


def _existing(path: Path) -> Path:
    return next((folder for folder in (path, *path.parents) if os.path.isdir(folder)), path)  # as islink above


def _free_bytes(folder: Path) -> int | None:
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize if found.f_blocks else None  # some network file systems count nothing


def _megabytes(amount: int) -> str:
    return f"{amount / 1e6:.{1 if amount < 1e7 else 0}f} MB"
