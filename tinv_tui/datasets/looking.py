"""Looks through the pixels of a dataset: each picture's own, and how the pictures are like each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from tinv_tui.datasets.closer_look import CloserLook, Traits
from tinv_tui.datasets.looks import THUMB, Look, look_at_all
from tinv_tui.datasets.variety import find_copies, find_mirrored, measure_variety

_LEAST_FOR_VARIETY = 3


def look_through(
    paths: Sequence[Path],
    side: int,
    *,
    progress: Callable[[int, int], None] | None = None,
    still_wanted: Callable[[], None] = lambda: None,
    threads: int | None = None,
) -> CloserLook:
    """What the pixels of these pictures tell, trained with a shorter side of ``side`` pixels.

    ``progress`` gets pictures done and in all; ``still_wanted`` is asked while they are compared too. Both are called in the
    caller's thread, and what they raise ends the look.
    """
    traits: list[Traits | str] = []
    looks: dict[int, Look] = {}
    with closing(look_at_all(paths, side, threads=threads)) as seen:
        for number, look in enumerate(seen):
            if isinstance(look, OSError):
                traits.append(str(look))
            else:
                looks[number] = look
                traits.append(look.traits)
            still_wanted()
            if progress is not None:
                progress(number + 1, len(paths))
    places, good = list(looks), list(looks.values())

    def told(pairs: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        return tuple((places[later], places[earlier]) for later, earlier in pairs)

    is_low = len(good) >= _LEAST_FOR_VARIETY and measure_variety(good).is_low
    return CloserLook(
        tuple(traits), told(find_copies(good, still_wanted)), told(find_mirrored(good, still_wanted)), is_low
    )


def count_mirrored(paths: Sequence[Path]) -> int:
    """How many of the pictures are the mirror image of an earlier one."""
    return len(find_mirrored([look for look in look_at_all(paths, 2 * THUMB) if isinstance(look, Look)]))
