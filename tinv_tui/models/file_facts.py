"""What was once found out about large files, kept in TINV_HOME/cache by their path, size and time."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinv_tui import paths
from tinv_tui.atomic import write_atomic

Stamp = list[list[int]]
"""Size and time in nanoseconds of each file."""

_lock = threading.Lock()
"""Of the files, within this process. Another process may push an entry out, which only costs finding it out again."""


def stamp_of(files: Sequence[Path]) -> Stamp:
    """Raises OSError."""
    return [[facts.st_size, facts.st_mtime_ns] for facts in (file.stat() for file in files)]


class FileFacts:
    """Facts of one kind, read once. A file that is broken or not there is an empty one."""

    def __init__(self, name: str) -> None:
        """``name`` is that of the file, without its suffix. Facts of another meaning want another name."""
        self._file = paths.home() / "cache" / f"{name}.json"
        self._known = self._read()

    def get(self, files: Sequence[Path]) -> Any:
        """What is known of the files, several where a model is sharded; None for nothing. Raises OSError."""
        entry = self._known.get(_key(files)) if files else None
        if not isinstance(entry, dict) or entry.get("stamp") != stamp_of(files):
            return None
        return entry.get("fact")

    def keep(self, files: Sequence[Path], stamp: Stamp, fact: Any) -> None:
        """Remember a fact, found out when the files had this stamp; JSON's types. Write it with :meth:`save`."""
        self._known[_key(files)] = {"stamp": stamp, "fact": fact}

    def save(self) -> None:
        """Write what is known, beside what others wrote meanwhile. A file that cannot be written is no reason to fail."""
        with _lock:
            self._known = self._read() | self._known
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(self._file, json.dumps(self._known, indent=1), durable=False)
            except OSError:
                pass

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


def _key(files: Sequence[Path]) -> str:
    """One name for a file however it is reached; shards go by their first."""
    return str(files[0].resolve())
