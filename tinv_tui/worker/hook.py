"""``python -m tinv_tui.worker.hook RUN CODE``: run the user's own command for the end of a run, once its worker is done.

The command comes from the user's settings file and from nowhere else: never from a recipe or a run folder, which may have
been given to them by somebody.
"""

from __future__ import annotations

import os
import shlex
import signal
import stat
import subprocess
import sys
from pathlib import Path

from tinv_tui.errors import InputError
from tinv_tui.interpreter import PYTHON
from tinv_tui.runs.events import Event, EventWriter, last_of
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.orphans import MARK
from tinv_tui.runs.run import HOOK_FAILED
from tinv_tui.settings import load_settings, settings_file

PATIENCE_SECONDS = 60.0


def become_hook(folder: RunFolder, code: int) -> None:
    """Replace this process by one that runs the hook, if there is one to run. The exit code will be ``code``."""
    try:
        if not load_settings().hooks.on_end:
            return
    except InputError as error:
        print(error, flush=True)
        return
    environment = {key: value for key, value in os.environ.items() if key != MARK}  # what the hook leaves is no orphan
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(
        sys.executable,
        [*PYTHON, "-m", "tinv_tui.worker.hook", str(folder.path), str(code)],
        environment,
    )


def run_hook(folder: RunFolder) -> str:
    """Run the command; what went wrong, in words, or nothing. A pause is no end."""
    ended = last_of(folder.events, "ended")
    if ended is None or ended["state"] == "paused":
        return ""
    try:
        _require_ours(settings_file())
        arguments = shlex.split(load_settings().hooks.on_end)
    except (InputError, OSError, ValueError) as error:
        return str(error)
    if not arguments:
        return ""
    print(f"hooks.on_end: {shlex.join(arguments)}", flush=True)
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd=folder.path,
            env={**os.environ, **_told(folder, ended)},
        )
    except OSError as error:
        return f"{arguments[0]}: {error.strerror}"
    try:
        code = process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"{arguments[0]} took longer than {PATIENCE_SECONDS:g} s and was ended"
    return f"{arguments[0]} ended with exit code {code}" if code else ""


def _told(folder: RunFolder, ended: Event) -> dict[str, str]:
    return {
        "TINV_RUN": str(folder.path),
        "TINV_NAME": folder.name,
        "TINV_STATE": str(ended["state"]),
        "TINV_STEP": str(ended["step"]),
        "TINV_REASON": str(ended.get("reason", "")),
        "TINV_EMBEDDING": str(ended.get("embedding") or ""),
    }


def _require_ours(file: Path) -> None:
    """Raises InputError for a file that others may have written."""
    found = file.stat()
    if found.st_uid != os.geteuid() or found.st_mode & stat.S_IWOTH:
        raise InputError(
            "settings-not-ours", f"{file} belongs to another user, or all may write to it", "chmod o-w it."
        )


def main() -> int:
    folder = RunFolder(Path(sys.argv[1]))
    problem = run_hook(folder)
    if problem:
        writer = EventWriter(folder.events)
        hint = f"What it printed is in {folder.worker_log}"
        writer.write("warning", code=HOOK_FAILED, message=f"hooks.on_end: {problem}", hint=hint)
        writer.close()
    return int(sys.argv[2])


if __name__ == "__main__":
    sys.exit(main())
