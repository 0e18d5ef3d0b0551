"""How far a phase of a run or a job is, in words."""

from __future__ import annotations

_UNITS = {"loading": " MiB"}


def counted(phase: str, done: int, total: int) -> str:
    """ "encoding 3/8", "loading 812/4067 MiB"; the phase alone where there is nothing to count.

    Of waiting ``done`` and ``total`` are MiB that are free and wanted: "waiting for 6.0 GiB, 2.3 free".
    """
    if phase == "waiting" and total:
        return f"waiting for {total / 1024:.1f} GiB, {done / 1024:.1f} free"
    return phase if total <= 1 else f"{phase} {done}/{total}{_UNITS.get(phase, '')}"
