"""Operators of a frozen UNet that keep less for the way back, or run on weights packed once: exact stand-ins for torch's."""

from __future__ import annotations

from typing import Literal

Operators = Literal["stock", "frozen", "packed"]
"""Torch's own; those that keep less for the way back; those and convolutions packed once."""
ROOM_FOR_PACKING = 3
"""Packed convolutions take as much again; with that much more than the UNet's bytes the machine has not to swap."""
