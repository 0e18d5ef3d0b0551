"""What a result tells of how it was made: the same run gives the same words, and none of them tells a folder or a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinv_tui.recipe import Recipe
from tinv_tui.runs.curve import LossTail, Smoothing
from tinv_tui.training.state import TrainingState
from tinv_tui.version import own_version
from tinv_tui.worker.setup import FrozenDataset

_PATHS = (
    ("model", "path"),
    ("model", "vae"),
    ("embedding", "continue_from"),
    ("dataset", "path"),
    ("dataset", "template"),
    ("preprocess", "source"),
    ("preprocess", "destination"),
    ("preprocess", "face_model"),
    ("preprocess", "blip_model"),
    ("preprocess", "tagger"),
)


class SmoothedLoss:
    """The smoothed training loss at the last step, counted from the table, so that a resumed run gives the same."""

    def __init__(self, table: Path) -> None:
        self._smoothing = Smoothing()
        self.last: float | None = None
        for _, loss in LossTail(table).read_new():
            self.add(loss)

    def add(self, loss: float) -> None:
        self.last = self._smoothing.add(float(f"{loss:.7f}"))  # as the table has it


def history_of(recipe: Recipe, dataset: FrozenDataset, state: TrainingState, smoothed: float | None) -> dict[str, Any]:
    """The history that an embedding's file carries. JSON's types."""
    best = state.best_evaluation
    return {
        "tool": f"tinv-tui {own_version()}",
        "recipe": _told(recipe),
        "dataset": {
            "count": len(dataset.files),
            "sizes": {f"{w}x{h}": len(members) for (w, h), members in dataset.groups.items()},
            "sha256": list(dataset.hashes),
            **({"left_out": left_out} if (left_out := len(set(recipe.dataset.exclude))) else {}),
        },
        "loss": {
            "smoothed": None if smoothed is None else round(smoothed, 6),
            "best_evaluation": None if best is None else round(best, 6),
            "best_step": state.best_step if best is not None else None,
        },
    }


def _told(recipe: Recipe) -> dict[str, Any]:
    values = recipe.model_dump(mode="json")
    if not recipe.saving.private_paths:
        values["dataset"]["exclude"] = []  # of files that have no part in what came of it; how many is told elsewhere
        values["saving"]["log_directory"] = ""  # where the run is kept has no part in what came of it
        for section, key in _PATHS:
            path = Path(values[section][key])
            if path.is_absolute():  # as a run's paths all are: what is not is a known name, or a hub id
                values[section][key] = path.name
    return values
