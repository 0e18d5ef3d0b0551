"""Notices that a run learns nothing at all."""

from __future__ import annotations

PATIENCE = 10
"""Steps in a row."""


class Stillness:
    """Told of every step; says once what stands still."""

    def __init__(self) -> None:
        self._without_gradient = 0
        self._without_change = 0
        self._was_told = False

    def seen(self, gradient: float, change: float) -> tuple[str, str] | None:
        """What stands still and what to do, once. The two are the largest number of a step's gradient and of its update."""
        self._without_gradient = 0 if gradient else self._without_gradient + 1
        self._without_change = 0 if change else self._without_change + 1
        if self._was_told or max(self._without_gradient, self._without_change) < PATIENCE:
            return None
        self._was_told = True
        if self._without_gradient >= PATIENCE:
            what = f"the gradient has been exactly zero for {PATIENCE} steps"
            return what, "Does every prompt of the template hold [name], and is there anything to see in the pictures?"
        return f"the vectors have not moved for {PATIENCE} steps", "Raise training.learning_rate."
