"""Which runs train on a device of this machine: each says so in a lock file that every user can read.

A worker writes a file of its own and holds its lock for life: nobody writes into a file of another, and a second run on a
device is told of the first, never refused. The folder lies where all may write, so nothing in it is trusted: links are not
followed, what is no small plain file is passed over, and whose a file is is asked of the system.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import secrets
import socket
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tinv_tui import paths
from tinv_tui.printable import printable
from tinv_tui.runs.liveness import boot_id

_SUFFIX = ".lock"
_LARGEST_BYTES = 8192
_LONGEST_NAME = 500
_MOST_FILES = 1000
_UNFINISHED_SECONDS = 60.0
"""A file that has not got its name by then was left behind by a worker that was killed."""

_held_here: set[str] = set()
"""Names of this process's own files: opening and closing one would let go of its lock (POSIX)."""


@dataclass(frozen=True)
class Sharer:
    """A living run on a device."""

    pid: int
    user: str
    run: str
    """Path of its folder."""
    since: float
    """When it took the device, in seconds of the machine's clock."""
    expects_bytes: int = 0
    """How much memory it waited for, if it did."""

    @property
    def name(self) -> str:
        return Path(self.run).name or "a run"


class DeviceLock:
    """A worker's own hold on its device, until :meth:`release` or the end of the process."""

    def __init__(self, device: str, run: Path, expects_bytes: int = 0) -> None:
        """``device`` is a GPU's UUID or ``cpu``. Raises OSError where the folder cannot be used."""
        self.since = time.time()
        self._name = f"{_clean(device)}.{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
        content = {
            "pid": os.getpid(),
            "start_time": psutil.Process().create_time(),
            "boot_id": boot_id(),
            "host": socket.gethostname(),
            "run": str(run),
            "user": _user(os.geteuid()),
            "since": self.since,
            "expects_bytes": expects_bytes,
        }
        folder = _open_folder(make=True)
        try:
            unfinished = f".{self._name}"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._handle = os.open(unfinished, flags, 0o644, dir_fd=folder)
            try:
                os.fchmod(self._handle, 0o644)  # whatever the umask: other users shall read it
                os.lockf(self._handle, os.F_TLOCK, 0)
                os.pwrite(self._handle, json.dumps(content).encode(), 0)
                _held_here.add(self._name)
                os.rename(unfinished, self._name, src_dir_fd=folder, dst_dir_fd=folder)  # locked before it is seen
            except OSError:
                os.close(self._handle)
                _remove(folder, unfinished)
                raise
        finally:
            os.close(folder)

    def release(self) -> None:
        """Let go of the device. Never raises."""
        try:
            folder = _open_folder(make=False)
        except OSError:
            folder = None
        if folder is not None:
            _remove(folder, self._name)
            os.close(folder)
        os.close(self._handle)
        _held_here.discard(self._name)


def sharers_of(device: str) -> tuple[Sharer, ...]:
    """The living runs on a device, but this process's own, longest first. Never raises; takes a millisecond or so.

    What dead runs of this user left behind is removed on the way.
    """
    try:
        folder = _open_folder(make=False)
    except OSError:
        return ()
    try:
        found = [sharer for name in _names(folder) if (sharer := _look(folder, name, _clean(device))) is not None]
    finally:
        os.close(folder)
    return tuple(sorted(found, key=lambda sharer: (sharer.since, sharer.pid)))


def _open_folder(*, make: bool) -> int:
    """Raises OSError; a symbolic link in its place is one reason."""
    path = paths.device_locks_folder()
    made = False
    if make and not path.exists():
        try:
            path.mkdir()
            made = True
        except FileExistsError:
            pass
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    if made:
        os.fchmod(handle, 0o1777)  # all may add files, and remove only their own
    return handle


def _names(folder: int) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= _MOST_FILES:
                    return
                if entry.name.endswith(_SUFFIX) and entry.name not in _held_here:
                    yield entry.name
    except OSError:
        return


def _look(folder: int, name: str, device: str) -> Sharer | None:
    """The living run that wrote a file, if it is on the device."""
    unfinished = name.startswith(".")
    if not unfinished and not name.startswith(f"{device}."):
        return None
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST_BYTES:
            return None
        if unfinished and (time.time() - facts.st_mtime < _UNFINISHED_SECONDS or name[1:] in _held_here):
            return None
        if not _is_held(handle):
            if facts.st_uid == os.geteuid():
                _remove(folder, name)
            return None
        return None if unfinished else _parse(os.read(handle, _LARGEST_BYTES), _user(facts.st_uid))
    except OSError:
        return None
    finally:
        os.close(handle)


def _is_held(handle: int) -> bool:
    try:
        os.lockf(handle, os.F_TEST, 0)
    except OSError:
        return True
    return False


def _parse(content: bytes, user: str) -> Sharer | None:
    try:
        told: dict[str, Any] = json.loads(content)
        run = printable(str(told["run"])[:_LONGEST_NAME])  # what somebody else wrote reaches terminals
        return Sharer(int(told["pid"]), user, run, float(told["since"]), int(told["expects_bytes"]))
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _remove(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        pass


def _clean(device: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", device) or "unknown"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
