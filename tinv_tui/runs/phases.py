"""How far a phase of a run or a job is, in words."""

from __future__ import annotations

_UNITS = {"loading": " MiB", "waiting": " MiB"}


def counted(phase: str, done: int, total: int) -> str:
    """ "encoding 3/8", "loading 812/4067 MiB"; the phase alone where there is nothing to count."""
    return phase if total <= 1 else f"{phase} {done}/{total}{_UNITS.get(phase, '')}"
