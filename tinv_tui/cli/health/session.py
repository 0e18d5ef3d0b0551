"""The terminal that is used, and whether a run outlives it."""

from __future__ import annotations

import getpass
import locale
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tinv_tui.cli.health.check import Check

ROOT = Path("/")
_PATIENCE_SECONDS = 5
_TMUX_ASKS = "#{version}\n#{escape-time}\n#{focus-events}\n#{default-terminal}"
_SLOW_ESCAPE_MS = 100


def check_session() -> list[Check]:
    checks = [check_locale(), check_terminal()]
    if os.environ.get("TMUX"):
        checks.append(check_tmux(_ask("tmux", "display-message", "-p", _TMUX_ASKS)))
    return [*checks, check_logout(ROOT, getpass.getuser())]


def check_locale() -> Check:
    encoding = locale.nl_langinfo(locale.CODESET) if hasattr(locale, "nl_langinfo") else "UTF-8"
    ok = encoding.upper().replace("-", "") == "UTF8"
    return Check("locale", ok, encoding, "Blocks may be drawn as _ : export LANG=C.UTF-8, and start tmux with -u.")


def check_terminal() -> Check:
    term = os.environ.get("TERM", "")
    if not term or term == "dumb":
        return Check("terminal", False, "no terminal here", "The commands work; the app needs one.")
    return Check("terminal", True, f"{term}{', inside tmux' if os.environ.get('TMUX') else ''}")


def check_tmux(answer: str) -> Check:
    """``answer`` is what tmux said of its version, escape-time, focus-events and default-terminal, a line each."""
    told = [line.strip() for line in answer.splitlines()]
    if len(told) != 4:
        return Check("tmux", False, "it does not answer", "Is its server of another version? tmux kill-server ends it.")
    version, escape, focus, terminal = told
    problems, lines = list[str](), list[str]()
    if escape.isdigit() and int(escape) > _SLOW_ESCAPE_MS:
        problems.append(f"esc answers after {escape} ms")
        lines.append("set -s escape-time 10")
    if focus in ("0", "off"):
        problems.append("focus is not told")
        lines.append("set -g focus-events on")
    if terminal and not terminal.startswith("tmux") and "256color" not in terminal:
        problems.append(f"{terminal} has few colours")
        lines.append("set -g default-terminal tmux-256color")
    if problems:
        return Check("tmux", False, f"{version}: {', '.join(problems)}", f"In ~/.tmux.conf: {'; '.join(lines)}")
    return Check("tmux", True, f"{version}, esc answers after {escape} ms")


def check_logout(root: Path, user: str) -> Check:
    """What logind does to what is started from here when the user logs out; read below ``root``, never guessed.

    Processes of a login's session end with it where KillUserProcesses says so. Those of the user's own manager end with the
    last session, unless the user lingers. All others are none of logind's business.
    """
    try:
        place = (root / "proc/self/cgroup").read_text()
    except OSError:
        place = ""
    lingers = (root / "var/lib/systemd/linger" / user).exists()
    if "/user@" in place:
        if lingers:
            return Check("logout", True, "runs survive a logout: the user lingers")
        hint = "loginctl enable-linger keeps them alive."
        return Check("logout", False, "the user's processes end with the last login", hint)
    if "/session-" not in place:
        return Check("logout", True, "runs survive a logout: this is no session of logind's")
    if not _kills(root, user):
        return Check("logout", True, "runs survive a logout: KillUserProcesses is not on")
    first = "" if lingers else "loginctl enable-linger, then "
    hint = f"{first}start with: systemd-run --user --scope tinv-tui"
    return Check("logout", False, "logind ends processes at logout (KillUserProcesses), in tmux too", hint)


def _kills(root: Path, user: str) -> bool:
    """What logind itself says, else what its files say of this user."""
    settings = _logind_settings(root)
    kills = _is_yes(settings.get("KillUserProcesses", "no"))
    if root == ROOT:
        said = _ask(
            "busctl", "get-property", "org.freedesktop.login1", "/org/freedesktop/login1",
            "org.freedesktop.login1.Manager", "KillUserProcesses",
        ).strip()  # fmt: skip
        kills = said == "b true" if said.startswith("b ") else kills
    only, spared = settings.get("KillOnlyUsers", "").split(), settings.get("KillExcludeUsers", "root").split()
    return kills and (not only or user in only) and user not in spared


def _logind_settings(root: Path) -> dict[str, str]:
    """logind.conf, then its drop-ins by name; a file in /etc hides one of the same name in /run and /usr/lib."""
    folders = [root / "etc/systemd", root / "run/systemd", root / "usr/local/lib/systemd", root / "usr/lib/systemd"]
    main = next((folder / "logind.conf" for folder in folders if (folder / "logind.conf").is_file()), None)
    dropped: dict[str, Path] = {}
    for folder in reversed(folders):
        dropped |= {path.name: path for path in (folder / "logind.conf.d").glob("*.conf")}
    files = [*([main] if main else []), *(dropped[name] for name in sorted(dropped))]
    return _read_settings(files)


def _read_settings(files: Sequence[Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in files:
        try:
            lines = file.read_text(errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            key, equals, value = line.partition("=")
            if equals and not line.lstrip().startswith(("#", ";")):
                found[key.strip()] = value.strip()
    return found


def _is_yes(value: str) -> bool:
    return value.lower() in ("1", "yes", "y", "true", "t", "on")


def _ask(*command: str) -> str:
    """What a command says; empty where it fails or is not there."""
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout if asked.returncode == 0 else ""
