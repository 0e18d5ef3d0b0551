"""Looks through a dataset's pixels beside the event loop, and can be left at any time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinv_tui.datasets.checks import CheckSettings
    from tinv_tui.datasets.findings import Finding
    from tinv_tui.datasets.pictures import PictureEntry

_THREADS = 2
"""Decoders give the screen its turn, but not all of the work beside them does."""
_SAY_SECONDS = 3.0


class _Left(Exception):
    """Nobody waits for the outcome any more."""


async def look_closer(
    entries: Sequence[PictureEntry], settings: CheckSettings, say: Callable[[str], None]
) -> list[Finding]:
    """Everything that is wrong with the pictures. ``say`` gets a few words on how far it is, now and then.

    Cancelling the waiter ends it after the pictures in hand.
    """
    from tinv_tui.app.wording import duration
    from tinv_tui.datasets.checks import check_dataset

    loop, left = asyncio.get_running_loop(), threading.Event()
    began = said = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal said
        if left.is_set():
            raise _Left
        now = time.monotonic()
        if now - said >= _SAY_SECONDS and done < total:
            said = now
            remaining = duration((now - began) / done * (total - done))
            loop.call_soon_threadsafe(say, f"{done} looked at, {remaining} left")

    try:
        return await asyncio.to_thread(check_dataset, entries, settings, progress=progress, threads=_THREADS)
    finally:
        left.set()
