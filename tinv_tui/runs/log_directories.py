"""Where runs are kept: TINV_HOME/runs, and every other log directory that a run was ever started in."""

from __future__ import annotations

from pathlib import Path

from tinv_tui import paths
from tinv_tui.atomic import write_atomic


def log_directories() -> list[Path]:
    """All of them, TINV_HOME/runs first. One that has vanished (a disk that is not there today) is left out."""
    return [paths.runs_folder(), *(folder for folder in _remembered() if folder.is_dir())]


def remember(folder: Path) -> None:
    """Keep another log directory in mind, so that its runs are found by name. Raises OSError."""
    known = _remembered()
    if folder.absolute() not in (paths.runs_folder(), *known):
        paths.home().mkdir(parents=True, exist_ok=True)
        write_atomic(_list_file(), "".join(f"{path}\n" for path in (*known, folder.absolute())))


def _list_file() -> Path:
    """One path a line, oldest first."""
    return paths.home() / "log-directories.txt"


def _remembered() -> list[Path]:
    try:
        lines = _list_file().read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    return list(dict.fromkeys(Path(line) for line in lines if line.startswith("/")))
