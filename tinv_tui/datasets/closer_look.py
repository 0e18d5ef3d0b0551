"""What the pixels of a dataset tell, once they have been looked through: plain values, that a process can tell another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Traits:
    """What matters of one picture's pixels."""

    detail: float | None
    """Pixels along the shorter side that hold detail; None where it cannot be measured."""
    is_enlarged: bool
    """Whether its pixels show that it was enlarged. It need not show: a few kinds of enlargement leave no trace in a JPEG."""
    quality: int | None
    """JPEG quality, 1 to 100, as libjpeg counts it; None for other formats."""
    is_opaque: bool


@dataclass(frozen=True)
class CloserLook:
    """Pictures are told by their positions in the list that was looked through; pairs are (later, earlier)."""

    traits: tuple[Traits | str, ...]
    """Of each picture; words where its pixels cannot be read."""
    copies: tuple[tuple[int, int], ...]
    """Pairs that are nearly the same; each picture with the first it is like."""
    mirrored: tuple[tuple[int, int], ...]
    """Pairs that are mirror images of each other, and not of themselves."""
    is_low_in_variety: bool

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> CloserLook:
        """The reverse of :meth:`to_json`."""
        return cls(
            traits=tuple(found if isinstance(found, str) else Traits(**found) for found in told["traits"]),
            copies=tuple((later, earlier) for later, earlier in told["copies"]),
            mirrored=tuple((later, earlier) for later, earlier in told["mirrored"]),
            is_low_in_variety=told["is_low_in_variety"],
        )
