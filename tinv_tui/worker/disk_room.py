"""Has a run wait for room on the disk: it pauses by itself, and goes on by itself, and loses nothing."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tinv_tui.atomic import is_disk_trouble
from tinv_tui.errors import InputError
from tinv_tui.worker.reporter import Reporter

FLOOR_BYTES = 4 * 2**20
"""Left free by what a run writes, so that its story can still be told and a command be left for it."""
_LOOK_SECONDS = 1.0
_POLL_SECONDS = 0.2

_T = TypeVar("_T")


class GaveUp(Exception):
    """The run was told to stop while it waited for room. Says what it waited for."""


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

        ``path`` is the file, or a folder of its disk. Raises GaveUp, InputError where a folder within the run's has been
        replaced by a link, and what ``write`` raises for other reasons.
        """
        self._require_no_link(path)
        before = self._reporter.status.state
        waited = False
        while True:
            told_to_stop = self.must_stop()
            lack = _lack(path, needs)
            if not lack or told_to_stop:  # the floor is kept for just that
                try:
                    written = write()
                except OSError as error:
                    if not is_disk_trouble(error):
                        raise
                    lack = _in_words(error, path)
                else:
                    if waited:
                        self._go_on(before)
                    return written
            if told_to_stop:
                raise GaveUp(lack)
            if not waited:
                waited = True
                self._reporter.tell(
                    "warning",
                    code="disk-full",
                    message=f"paused: {lack}",
                    hint="Once there is room it goes on by itself.",
                )
            if self._reporter.status.reason != lack:
                self._reporter.update(state="paused", reason=lack)
            time.sleep(_POLL_SECONDS)

    def _require_no_link(self, path: Path) -> None:
        """What is written to a run stays in its folder."""
        if path == self._run or not path.is_relative_to(self._run):
            return
        for folder in path.parents:
            if folder == self._run:
                return
            if folder.is_symlink():
                message = f"{folder} has become a link: a run writes nothing outside its folder"
                raise InputError("folder-linked", message, "Put the folder back, and resume.")

    def _go_on(self, state: str) -> None:
        self._reporter.update(state=state, reason="")
        self._reporter.tell("warning", code="disk-room", message="there is room on the disk again: going on", hint="")


def _lack(path: Path, needs: int) -> str:
    """What is missing, in words; empty where there is room, and where the file system does not tell."""
    place = _existing(path)
    free = _free_bytes(place)
    if free is None or free >= needs + FLOOR_BYTES:
        return ""
    return f"the disk is full: {_megabytes(free)} free in {place}, needs {_megabytes(needs + FLOOR_BYTES)}"


def _in_words(error: OSError, path: Path) -> str:
    place = _existing(path)
    match error.errno:
        case errno.ENOSPC:
            free = _free_bytes(place)
            return f"the disk is full: {place} takes no more" + (f" ({_megabytes(free)} free)" if free else "")
        case errno.EDQUOT:
            return f"the disk quota is used up: {place} takes no more"
        case errno.EROFS:
            return f"the disk has become read-only: {place}"
        case _:
            return f"the disk does not take what is written to {place}: {error.strerror}"


def _existing(path: Path) -> Path:
    return next((folder for folder in (path, *path.parents) if folder.is_dir()), path)


def _free_bytes(folder: Path) -> int | None:
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize if found.f_blocks else None  # some network file systems count nothing


def _megabytes(amount: int) -> str:
    return f"{amount / 1e6:.{1 if amount < 1e7 else 0}f} MB"
