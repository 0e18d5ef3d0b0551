"""How far a run has come for good: what its newest sound checkpoint holds."""

from __future__ import annotations

from tinv_tui.checkpoint_file import newest_sound
from tinv_tui.runs.folder import RunFolder


def step_of_checkpoint(folder: RunFolder) -> int:
    """The step it would go on from; 0 where there is none yet, or none that can be read."""
    try:
        return int(newest_sound(folder.state)[1].get("step", 0))
    except (OSError, ValueError, TypeError):
        return 0
