"""Commands to a running worker: one small file each, left in its inbox."""

from __future__ import annotations

import json
import secrets
import time
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
    try:
        temporary.write_text(json.dumps({"id": posted.id, "command": command, "args": posted.args}))
        temporary.rename(inbox / f"{name}.json")
    except OSError as error:
        raise InputError("run-unwritable", f"the command cannot be left: {error}", "") from None
    return posted


def take_commands(inbox: Path) -> list[Command]:
    """The waiting commands, oldest first, removed from the inbox; what is no command is removed too."""
    taken = list[Command]()
    try:
        waiting = sorted(inbox.glob("*.json"))
    except OSError:
        return taken
    for path in waiting:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            command = Command(str(content["id"]), str(content["command"]), dict(content.get("args") or {}))
        except (OSError, ValueError, KeyError, TypeError):
            command = None
        try:
            path.unlink(missing_ok=True)
        except OSError:
            continue  # what cannot be removed would be obeyed again and again
        if command is not None:
            taken.append(command)
    return taken
