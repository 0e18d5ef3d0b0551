"""The job ``fetch``: brings a base model from the Hub onto this machine. Needs no torch, but must end when it is told to."""

from __future__ import annotations

import time
from typing import Any

from tinv_tui.models.hub_fetch import fetch
from tinv_tui.worker.jobs import Desk

_TELL_SECONDS = 0.5


def run(arguments: dict[str, Any], desk: Desk) -> dict[str, Any]:
    """``hub_id`` in; ``hub_id`` and ``folder`` out. Progress is in bytes."""
    hub_id, told = str(arguments["hub_id"]), 0.0
    desk.progress(0, 0, phase="asking the Hub", unit="bytes")

    def progress(done: int, total: int) -> None:
        nonlocal told
        desk.check()
        if time.monotonic() - told >= _TELL_SECONDS or done == total:
            told = time.monotonic()
            desk.progress(done, total, phase=f"fetching {hub_id}", unit="bytes")

    return {"hub_id": hub_id, "folder": str(fetch(hub_id, progress))}
