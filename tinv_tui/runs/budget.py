"""The minutes a recipe gives its run, and whether a run has had them."""

from __future__ import annotations

from tinv_tui.checkpoint_file import newest_sound
from tinv_tui.errors import InputError
from tinv_tui.recipe import Recipe
from tinv_tui.runs.folder import RunFolder


def require_time_left(folder: RunFolder, recipe: Recipe) -> None:
    """Raise InputError for a run that could not make one step more."""
    minutes = recipe.training.minutes
    if minutes and seconds_spent(folder) >= minutes * 60:
        message = f"{folder.name} has had its {minutes:g} minutes"
        more = f"tinv-tui resume {folder.handle} --set training.minutes={minutes * 2:g}"
        raise InputError("time-over", message, f"Give it more, or 0 for no limit: {more}")


def seconds_spent(folder: RunFolder) -> float:
    """Time spent as of its checkpoint, by all its workers together; 0 where there is none yet."""
    return spent(folder)[1]


def spent(folder: RunFolder) -> tuple[int, float]:
    """The step of a run's checkpoint, and the seconds it took to there: training, previews and saving."""
    try:
        facts = newest_sound(folder.state)[1]
        return int(facts.get("step", 0)), float(facts.get("seconds", 0.0))
    except (OSError, ValueError, TypeError):
        return 0, 0.0
