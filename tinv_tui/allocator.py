"""How glibc's malloc keeps what is freed; under another C library nothing here does anything."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # of malloc.h


@cache
def hold_freed() -> None:
    """Keep what is freed for whoever asks next, until :func:`give_back_freed`.

    The system clears what it gives out page by page, and a step on a processor frees all that it took: large convolutions,
    which put their weights into the kernel's order at every call, are a quarter slower by it. To be called when a first step
    is made: what that one packs would lie scattered between what it frees.
    """
    _tune(_MMAP_MAX, 0)  # large blocks come from the heap too, and not each from the system
    _tune(_TRIM_THRESHOLD, -1)  # never


def share_between_threads() -> None:
    """Have threads take from one heap, not each from its own, which would hold what it once had. To be called before them."""
    _tune(_ARENA_MAX, 1)


def give_back_freed() -> None:
    """Give to the system whatever is free now."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _tune(parameter: int, value: int) -> None:
    tune = _of_glibc("mallopt")
    if tune is not None:
        tune(parameter, value)


def _of_glibc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None)
