"""Reads counts out of the configuration of a model's part, where a file can say anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_LEVELS = 8
"""Of a VAE: each halves the picture, and published ones have four. A size of thousands of digits cannot be written out."""
_MOST = 2**31


def count(config: Mapping[str, Any], key: str) -> int:
    """A number from 1. Raises KeyError, TypeError, ValueError, OverflowError."""
    number = int(config[key])
    if not 1 <= number < _MOST:
        raise ValueError(f"{key} is {number}" if number < 1 else f"{key} is too large")
    return number


def levels(config: Mapping[str, Any], key: str) -> int:
    """How many levels a VAE's list of widths has. Raises KeyError, TypeError, ValueError."""
    widths = config[key]
    if not isinstance(widths, list | tuple):
        raise TypeError(f"{key} is no list")
    if not 1 <= len(widths) <= MOST_LEVELS:
        raise ValueError(f"{key} is {len(widths)} levels, not 1 to {MOST_LEVELS}")
    return len(widths)
