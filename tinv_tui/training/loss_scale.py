"""The scale of an fp16 loss: gradients too small for that format are lost without one, and overflow where it is too large.

The state keeps it, and it changes at steps that follow from the run alone, so that a resumed run goes on to the bit.
"""

from __future__ import annotations

import torch

from tinv_tui.training.state import TrainingState

FIRST = 4096.0
MOST = 65536.0
GROWS_AFTER = 2000
"""Steps without an overflow."""


def settle(state: TrainingState, dtype: torch.dtype) -> None:
    """Before the next step: begin with one, double it where it has held long enough, or do without in other formats."""
    if dtype != torch.float16:
        state.loss_scale = 0.0
    elif not state.loss_scale:
        state.loss_scale, state.scaled_since = FIRST, state.step
    elif state.step - state.scaled_since >= GROWS_AFTER and state.loss_scale < MOST:
        state.loss_scale, state.scaled_since = 2 * state.loss_scale, state.step


def can_shrink(state: TrainingState) -> bool:
    """Whether there is one that an overflow may be the fault of."""
    return state.loss_scale > 1


def shrink(state: TrainingState) -> None:
    """Halve it after an overflow."""
    state.loss_scale, state.scaled_since = state.loss_scale / 2, state.step
