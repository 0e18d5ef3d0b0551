"""Takes training that became NaN or infinite back to the last good state, to go on at half the rate."""

from __future__ import annotations

from collections import deque

from tinv_tui.training import loss_scale
from tinv_tui.training.state import TrainingState

MOST_TIMES = 3
"""A rate an eighth of what was asked for is not what the trouble is about."""


class NotFinite(Exception):
    """Something became NaN or infinite.

    ``suspect`` is the number of steps in the state it was found in: that state is no good, even where it is finite itself.
    ``of_gradient`` where the loss was finite, as when an fp16 gradient overflows.
    """

    def __init__(
        self, step: int, learning_rate: float, what: str = "the loss", *, suspect: int, of_gradient: bool = False
    ) -> None:
        super().__init__(f"{what} of step {step} is not finite (learning rate {learning_rate:g})")
        self.step = step
        self.learning_rate = learning_rate
        self.suspect = suspect
        self.of_gradient = of_gradient


class Guard:
    """Holds the last few states of a run, on its device: a state is known to be good when the step after it was."""

    def __init__(self, state: TrainingState, steps_ahead: int) -> None:
        """``steps_ahead`` is how late the trouble of a step may be found."""
        self._held = deque([state.before] if state.before is not None else [], maxlen=steps_ahead + 2)

    def hold(self, state: TrainingState) -> TrainingState:
        """Remember the state as it is before a step; the copy."""
        self._held.append(state.copy())
        return self._held[-1]

    def go_back(self, state: TrainingState, trouble: NotFinite) -> bool:
        """Make ``state`` the last good one, and halve its rate; False where an fp16 loss scale is lowered instead.

        Raises ``trouble`` where that has been done often enough, or where there is no good state to go back to: then it
        was not the rate. The state is the best there is then too.
        """
        is_overflow = trouble.of_gradient and loss_scale.can_shrink(state)
        # The loss was finite: it is the step that was wrong, not the state that it started from.
        suspect = trouble.suspect + 1 if is_overflow else trouble.suspect
        earlier = [held for held in self._held if held.step < suspect]
        good = earlier.pop() if earlier else None
        if good is not None or self._held:
            state.return_to(good or self._held[0], before=earlier[-1] if earlier else None)
        self._held.clear()
        self._held.extend(earlier)
        if good is not None and is_overflow:
            loss_scale.shrink(state)
            return False
        if good is None or state.times_halved == MOST_TIMES:
            state.times_halved = 0  # whoever resumes the run has done something about it
            raise trouble
        state.rate_factor /= 2
        state.times_halved += 1
        return True
