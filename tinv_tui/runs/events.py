"""The story of a run, ``events.jsonl``: one JSON object a line, appended by the worker, read by anybody."""

from __future__ import annotations

import json
import os
import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tinv_tui.atomic import is_disk_trouble, open_to_append

Event = dict[str, Any]
"""``v``, ``t`` (ISO 8601, UTC), ``kind``, and the fields of that kind."""

VERSION = 1

_STEP_OR_START = re.compile(rb'\{"v":\d+,"t":"[^"]*","kind":"(step|started)"')


class EventWriter:
    """Appends events; readers see them at once, :meth:`sync` forces them to the disk. Safe to use from threads."""

    def __init__(self, path: Path) -> None:
        cut_half_line(path)
        self._file = open_to_append(path)
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
        except OSError:
            self._unsynced = True
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
        while self._waiting:
            self._waiting = self._waiting[self._file.write(self._waiting) or 0 :]

    def _force(self) -> None:
        os.fsync(self._file.fileno())


def cut_half_line(path: Path) -> None:
    """Drop what follows the last line end: a worker that was killed may have left half an event."""
    if not path.exists():
        return
    with os.fdopen(os.open(path, os.O_RDWR | os.O_NOFOLLOW), "r+b") as file:
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


class EventReader:
    """Reads a growing event file piece by piece. A half-written last line is left for the next time."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._path = path
        self._offset = offset

    @property
    def offset(self) -> int:
        """Bytes read so far: the end of the last whole line."""
        return self._offset

    def read_new(self, last: int | None = None, *, newest_step_only: bool = False) -> list[Event]:
        """Events since the last call; none when the file is not there yet. Lines that are no events are passed over.

        With ``last``, only those of the last so many lines: all of a long run take a second to read. With
        ``newest_step_only``, of the steps of each worker only the newest: for who has them from the loss table.
        """
        try:
            with self._path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._offset:
                    self._offset = 0  # cut back by a resuming worker: tell the story again
                file.seek(self._offset)
                content = file.read()
        except OSError:
            return []
        whole = content.rfind(b"\n") + 1
        self._offset += whole
        lines = content[:whole].splitlines()
        chosen = lines if last is None else lines[max(0, len(lines) - last) :]
        if newest_step_only:
            chosen = _without_older_steps(chosen)
        return [event for line in chosen if (event := _parse(line)) is not None]

    def read_ahead(self) -> bool:
        """Whether more whole lines are waiting."""
        try:
            return self._path.stat().st_size > self._offset and b"\n" in self._path.read_bytes()[self._offset :]
        except OSError:
            return False


def read_all(path: Path) -> list[Event]:
    return EventReader(path).read_new()


def _without_older_steps(lines: list[bytes]) -> list[bytes]:
    """Without parsing them: most of a long story is steps. A line that is written otherwise is kept."""
    kept, wants_step = list[bytes](), True
    for line in reversed(lines):
        kind = match[1] if (match := _STEP_OR_START.match(line)) else b""
        if kind == b"step" and not wants_step:
            continue
        wants_step = kind == b"started" or (wants_step and kind != b"step")
        kept.append(line)
    kept.reverse()
    return kept


def _parse(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "kind" in event else None
