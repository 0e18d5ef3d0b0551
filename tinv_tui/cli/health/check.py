"""One line of the doctor's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """``hint`` says what to do where it is not ``ok``; empty where there is nothing to."""

    name: str
    ok: bool
    message: str
    hint: str = ""


def gib(amount: int | None) -> str:
    return "memory unknown" if amount is None else f"{amount / 2**30:.1f} GiB"
