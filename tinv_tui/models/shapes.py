"""Names of the base models of true shape that can be made with random weights."""

from __future__ import annotations

from tinv_tui.models.families import FAMILIES

TINY = "-tiny"
SHAPES = tuple(f"{family.name.lower()}{size}" for family in FAMILIES for size in ("", TINY))
"""A family at its published widths, or with the same blocks at toy widths."""
