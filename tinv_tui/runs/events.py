"""The story of a run, ``events.jsonl``: one JSON object a line, appended by the worker, read by anybody."""

from __future__ import annotations

import errno
import json
import os
import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from tinv_tui.atomic import is_disk_trouble, open_to_append

Event = dict[str, Any]
"""``v``, ``t`` (ISO 8601, UTC), ``kind``, and the fields of that kind."""

VERSION = 1
_BLOCK_BYTES = 2**16
_STALE = (errno.ESTALE, errno.ENOTCONN, errno.ENODEV)

_STEP_OR_START = re.compile(rb'\{"v":\d+,"t":"[^"]*","kind":"(step|started)"')


class EventWriter:
    """Appends events; readers see them at once, :meth:`sync` forces them to the disk. Safe to use from threads."""

    def __init__(self, path: Path) -> None:
        cut_half_line(path)
        self._path = path
        self._file = open_to_append(path)
        self._is_stale = False
        self._lock = threading.Lock()
        self._waiting = b""  # what the disk has not taken yet; it may begin amid a line
        self._unsynced = False

    def write(self, kind: str, **fields: Any) -> Event:
        """Append one event. What a full disk does not take waits in memory for the next event, or :meth:`sync`."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        event: Event = {"v": VERSION, "t": now, "kind": kind, **fields}
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":"), default=str)
        with self._lock:
            # A file name may hold bytes that are no text: backslashreplace leaves them as JSON escapes.
            self._waiting += line.encode(errors="backslashreplace") + b"\n"
            self._unsynced = True
            try:
                self._write_waiting()
                if kind == "ended":
                    self._force()
            except OSError as error:
                if not is_disk_trouble(error):
                    raise
        return event

    def sync(self) -> None:
        """Force what was written to the disk; the caller does so about once a second. Raises OSError."""
        with self._lock:
            self._write_waiting()
            if not self._unsynced:
                return
            self._unsynced = False
        try:
            self._force()  # without the lock: the training thread writes on while the disk is busy
        except OSError as error:
            self._unsynced = True
            self._note(error)
            raise

    def close(self) -> None:
        """Raises OSError when there is an event that could not be written; the file is closed all the same."""
        with self._lock:
            try:
                self._write_waiting()
                self._force()
            finally:
                self._file.close()

    def _write_waiting(self) -> None:
        if self._is_stale:
            self._open_again()
        try:
            while self._waiting:
                self._waiting = self._waiting[self._file.write(self._waiting) or 0 :]
        except OSError as error:
            self._note(error)
            raise

    def _note(self, error: OSError) -> None:
        """A file that was open when its disk went away stays unusable once the disk is back."""
        self._is_stale = self._is_stale or error.errno in _STALE

    def _open_again(self) -> None:
        """Under the number it has: another thread may be syncing it. Raises OSError."""
        with open_to_append(self._path) as file:
            os.dup2(file.fileno(), self._file.fileno(), inheritable=False)
        self._is_stale = False

    def _force(self) -> None:
        os.fsync(self._file.fileno())


def cut_half_line(path: Path) -> None:
    """Drop what follows the last line end: a worker that was killed may have left half an event."""
    if not path.exists():
        return
    with os.fdopen(os.open(path, os.O_RDWR | os.O_NOFOLLOW), "r+b") as file:
        file.truncate(_end_of_lines(file))


def _end_of_lines(file: BinaryIO, start: int = 0) -> int:
    """Where the last whole line ends; ``start`` when none does behind it. Read from the end: a story may be long."""
    end = file.seek(0, os.SEEK_END)
    while end > start:
        begin = max(start, end - _BLOCK_BYTES)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return start


class EventReader:
    """Reads a growing event file piece by piece. A half-written last line is left for the next time."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._path = path
        self._offset = offset

    @property
    def offset(self) -> int:
        """Bytes read so far: the end of the last whole line."""
        return self._offset

    def skip(self) -> None:
        """Pass over all that was told so far, unread."""
        try:
            with self._path.open("rb") as file:
                self._offset = _end_of_lines(file)
        except OSError:
            pass  # not there yet: all that comes is new

    def read_new(self, last: int | None = None, *, newest_step_only: bool = False) -> list[Event]:
        """Events since the last call; none when the file is not there yet. Lines that are no events are passed over.

        With ``last``, only those of the last so many lines: all of a long run take a second to read. With
        ``newest_step_only``, of the steps of each worker only the newest: for who has them from the loss table.
        """
        before = self._offset
        try:
            with self._path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._offset:
                    self._offset = 0  # cut back by a resuming worker: tell the story again
                file.seek(self._offset)
                lines = self._whole_lines(file)
                kept = list(_without_older_steps(lines)) if newest_step_only else deque(lines, last)
        except OSError:
            self._offset = before
            return []
        return [event for line in kept if (event := _parse(line)) is not None]

    def _whole_lines(self, file: BinaryIO) -> Iterator[bytes]:
        """One by one: a long story is larger than all else that a viewer holds."""
        for line in file:
            if not line.endswith(b"\n"):
                return
            self._offset += len(line)
            yield line

    def read_ahead(self) -> bool:
        """Whether more whole lines are waiting."""
        try:
            with self._path.open("rb") as file:
                return _end_of_lines(file, self._offset) > self._offset
        except OSError:
            return False


def read_all(path: Path) -> list[Event]:
    return EventReader(path).read_new()


def began_at(path: Path) -> float | None:
    """When the first event was told, in seconds since the epoch; None where that cannot be read."""
    try:
        with path.open("rb") as file:
            first = _parse(file.readline(_BLOCK_BYTES))
        return datetime.fromisoformat(first["t"]).timestamp() if first is not None else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def last_of(path: Path, kind: str) -> Event | None:
    """The newest event of a kind; None where there is none. Read from the end, a piece at a time: a story may be long."""
    try:
        with path.open("rb") as file:
            told = (event for line in _lines_from_end(file) if (event := _parse(line)) is not None)
            return next((event for event in told if event["kind"] == kind), None)
    except OSError:
        return None


def _lines_from_end(file: BinaryIO) -> Iterator[bytes]:
    """The whole lines, last first."""
    begin = _end_of_lines(file)
    held = list[bytes]()  # the pieces of a line whose beginning is not read yet, from the end on
    while begin:
        end, begin = begin, max(0, begin - _BLOCK_BYTES)
        file.seek(begin)
        first, *others = file.read(end - begin).split(b"\n")
        if others:
            yield b"".join([others.pop(), *reversed(held)])
            yield from reversed(others)
            held = []
        held.append(first)
    yield b"".join(reversed(held))


def _without_older_steps(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Without parsing them: most of a long story is steps. A line that is written otherwise is kept."""
    kept = list[bytes | None]()
    newest: int | None = None  # where the newest step of the worker in hand stands
    for line in lines:
        kind = match[1] if (match := _STEP_OR_START.match(line)) else b""
        if kind == b"started":
            newest = None
        elif kind == b"step":
            if newest is not None and newest == len(kept) - 1:
                kept.pop()
            elif newest is not None:
                kept[newest] = None
            newest = len(kept)
        kept.append(line)
    return (line for line in kept if line is not None)


def _parse(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "kind" in event else None
