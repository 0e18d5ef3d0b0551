"""Operators of a frozen UNet that keep less for the way back, or run on weights packed once: exact stand-ins for torch's."""

from __future__ import annotations

from typing import Literal

Operators = Literal["stock", "frozen", "packed", "fused"]
"""Torch's own; those that keep less for the way back; those and weights packed once, for a CPU; those in kernels of
their own, for a GPU."""
_ROOM_FOR_PACKING = 4
"""Weights that are packed both ways take as much again; in so many times the UNet's bytes the machine has not to swap."""


def suitable_operators(unet_bytes: float, host_bytes: int | None, *, is_small: bool, on_gpu: bool) -> Operators:
    """What suits a UNet and where it trains; always the same on one machine, so that a resumed run goes on to the bit.

    A small model on a CPU is quickest as it is: its steps are made of calls, not of arithmetic. On a GPU it is not worth the
    seconds that kernels take to compile. ``host_bytes`` is all the memory of the machine; where nobody tells, it will do.
    """
    if on_gpu:
        return "frozen" if is_small else "fused"
    if is_small:
        return "stock"
    return "packed" if host_bytes is None or host_bytes >= _ROOM_FOR_PACKING * unet_bytes else "frozen"
