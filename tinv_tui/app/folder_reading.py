"""What lies in a folder, read within bounds: in a thread that nobody waits for longer than a moment."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

MOST_ENTRIES = 20_000
_READING_SECONDS = 1.0
_WAIT_SECONDS = 2.0
_KEPT_SECONDS = 2.0
_MOST_WAITING = 8
NO_ANSWER, NOT_THERE, NO_FOLDER = "does not answer", "is not there", "is no folder"

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Entry:
    name: str
    is_folder: bool

    @property
    def can_be_typed(self) -> bool:
        """Whether a field can hold the name: no control characters, and nothing that is not UTF-8."""
        return self.name.isprintable()


@dataclass(frozen=True)
class Listing:
    """Everything in a folder, by name; ``is_cut`` where there is more, ``problem`` why it cannot be read."""

    entries: tuple[Entry, ...] = ()
    is_cut: bool = False
    problem: str = ""


def read_folder(folder: str, most: int = MOST_ENTRIES, seconds: float = _READING_SECONDS) -> Listing:
    """At most so many entries, and no longer than so many seconds. Never raises OSError."""
    found: list[Entry] = []
    is_cut, deadline = False, time.monotonic() + seconds
    try:
        with os.scandir(folder) as inside:
            for entry in inside:
                if len(found) >= most or time.monotonic() > deadline:
                    is_cut = True
                    break
                found.append(Entry(entry.name, _is_folder(entry)))
    except ValueError:  # a null character
        return Listing(problem="is no path")
    except OSError as error:
        return Listing(problem=in_words(error))
    return Listing(tuple(sorted(found, key=lambda entry: (entry.name.casefold(), entry.name))), is_cut)


def in_words(error: OSError) -> str:
    """Why a folder or file cannot be read, behind its name."""
    if isinstance(error, FileNotFoundError):
        return NOT_THERE
    if isinstance(error, PermissionError):
        return "may not be read by you"
    if isinstance(error, NotADirectoryError):
        return NO_FOLDER
    return f"cannot be read: {error.strerror or error}"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or into a closed folder
        return False


class Reader:
    """Puts questions to the file system. One that hangs, as on a lost network mount, costs a thread; no exit waits for it."""

    def __init__(self) -> None:
        self._waiting: dict[str, Future[Any]] = {}
        self._last: tuple[str, float, Listing] | None = None

    async def read(self, folder: str, read: Callable[[str], Listing] = read_folder) -> Listing:
        """What lies in a folder; what was read a moment ago is taken again, for the next letter."""
        if self._last is not None and self._last[0] == folder and time.monotonic() - self._last[1] < _KEPT_SECONDS:
            return self._last[2]
        listing = await self.ask(folder, lambda: read(folder))
        if listing is None:
            return Listing(problem=NO_ANSWER)
        self._last = (folder, time.monotonic(), listing)
        return listing

    async def ask(self, about: str, question: Callable[[], Answer], seconds: float | None = None) -> Answer | None:
        """The answer, or None where it takes too long. What was asked before and is not answered is not asked again."""
        future: Future[Any] | None = self._waiting.get(about)
        if future is None:
            if len(self._waiting) >= _MOST_WAITING:
                return None
            future = self._waiting[about] = Future()
            threading.Thread(target=self._answer, args=(about, question, future), daemon=True).start()
        await asyncio.wait({asyncio.wrap_future(future)}, timeout=_WAIT_SECONDS if seconds is None else seconds)
        return future.result() if future.done() else None

    def _answer(self, about: str, question: Callable[[], Any], future: Future[Any]) -> None:
        answer = None
        try:
            answer = question()
        finally:
            self._waiting.pop(about, None)
            future.set_result(answer)


READER = Reader()
"""The app's own: a mount that hangs for one field hangs for the next one too."""
