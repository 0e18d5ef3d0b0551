"""Which version of tinv-tui this is, installed or not."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def own_version() -> str:
    """The installed package's; that of the checkout it runs from where it is not installed; else "unknown"."""
    try:
        return metadata.version("tinv-tui")
    except metadata.PackageNotFoundError:
        pass
    try:
        project = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]
        return str(project["version"]) if project["name"] == "tinv-tui" else "unknown"
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"
