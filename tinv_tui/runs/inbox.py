"""Commands to a running worker: one small file each, left in its inbox."""

from __future__ import annotations

import json
import os
import secrets
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinv_tui.errors import InputError

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "stop": ("save",),
    "pause": ("release",),
    "unpause": (),
    "save": (),
    "preview": ("prompt",),
    "set": ("key", "value"),
}
"""The commands a worker takes, and the arguments each may have."""


_MOST_BYTES = 64 * 1024


@dataclass(frozen=True)
class Command:
    id: str
    command: str
    args: dict[str, Any]


def post_command(inbox: Path, command: str, args: dict[str, Any] | None = None) -> Command:
    """Leave a command: written under another name, then renamed, so that it is never read half. Raises InputError."""
    if command not in ARGUMENTS:
        raise InputError("command-unknown", f"there is no command {command!r}", f"Commands: {', '.join(ARGUMENTS)}.")
    unknown = set(args or {}) - set(ARGUMENTS[command])
    if unknown:
        raise InputError("command-arguments", f"{command} has no {', '.join(sorted(unknown))}", "")
    now = time.time_ns()
    # Two commands of one millisecond keep their order: the id begins with the rest of the time.
    posted = Command(f"{now % 1_000_000:05x}{secrets.token_hex(3)}", command, args or {})
    name = f"{now // 1_000_000}-{posted.id}"
    temporary = inbox / f".{name}.tmp"
    content = json.dumps({"id": posted.id, "command": command, "args": posted.args})
    if len(content) > _MOST_BYTES:
        raise InputError("command-long", f"{command} takes at most {_MOST_BYTES // 1024} KiB", "")
    try:
        with open(temporary, "x", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(content)
        temporary.rename(inbox / f"{name}.json")
    except OSError as error:
        raise InputError("run-unwritable", f"the command cannot be left: {error}", "") from None
    return posted


def take_commands(inbox: Path, refused: Callable[[str], None] = lambda _: None) -> list[Command]:
    """The waiting commands, oldest first, removed from the inbox; what is no command is removed too.

    Only small regular files of the worker's own user are read; ``refused`` is told of any other, once.
    """
    taken = list[Command]()
    try:
        waiting = sorted(inbox.glob("*.json"))
    except OSError:
        return taken
    for path in waiting:
        try:
            command = _read(path)
        except _Refused as why:
            if _put_away(path):
                refused(f"{path.name} is no command of yours: {why}")
            continue
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            command = None
        if _put_away(path) and command is not None:  # what cannot be removed would be obeyed again and again
            taken.append(command)
    return taken


class _Refused(Exception):
    """Says why a file in the inbox is not even looked into."""


def _read(path: Path) -> Command:
    """Raises _Refused, OSError, ValueError, KeyError, TypeError or RecursionError."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise _Refused("it is a link")
    if not stat.S_ISREG(found.st_mode):
        raise _Refused("it is no regular file")
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would be waited for
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if found.st_uid != os.geteuid():
            raise _Refused(f"it is from another user ({found.st_uid})")
        if found.st_size > _MOST_BYTES:
            raise _Refused(f"it is larger than {_MOST_BYTES // 1024} KiB")
        content = json.loads(file.read(_MOST_BYTES))
    return Command(str(content["id"]), str(content["command"]), dict(content.get("args") or {}))


def _put_away(path: Path) -> bool:
    """Remove it, or what cannot be removed (a folder) call by a name that is none of a command's; whether either went."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        try:
            path.rename(path.with_name(f"{path.name}.refused-{secrets.token_hex(3)}"))
        except OSError:
            return False
    return True
