"""What an embedding tells of how its run made it: the same run gives the same words, and none tells a folder or a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinv_tui.recipe import Recipe
from tinv_tui.runs.curve import LossRow, Smoothing, read_losses
from tinv_tui.runs.frozen_dataset import FrozenDataset
from tinv_tui.version import own_version

_PATHS = (
    ("model", "path"),
    ("model", "vae"),
    ("embedding", "continue_from"),
    ("dataset", "path"),
    ("dataset", "template"),
    ("preview", "tiny_vae"),
    ("preprocess", "source"),
    ("preprocess", "destination"),
    ("preprocess", "face_model"),
    ("preprocess", "blip_model"),
    ("preprocess", "tagger"),
)


class SmoothedLoss:
    """The smoothed training loss at the last step, counted from the table, so that a resumed run gives the same.

    With ``up_to``, of the table's rows only those up to that step.
    """

    def __init__(self, table: Path, up_to: int | None = None) -> None:
        self._smoothing = Smoothing()
        self.last: float | None = None
        for step, loss in read_losses(table):
            if up_to is None or step <= up_to:
                self.add(loss)

    def add(self, loss: float) -> None:
        self.last = self._smoothing.add(float(f"{loss:.7f}"))  # as the table has it


def details_of(recipe: Recipe, family: str | None, pictures: int, model_hash: str | None) -> dict[str, str]:
    """The lines of an embedding's file on where it comes from; without what is not known."""
    known = {"family": family, "base_model_hash": model_hash}
    return {
        "init_text": recipe.embedding.init_text,
        "pictures": str(pictures),
        "seed": str(recipe.training.seed),
        "learning_rate": recipe.training.learning_rate,
        "samples_per_step": str(recipe.samples_per_step),
        "tool": "tinv-tui",
        **{key: value for key, value in known.items() if value},
    }


def history_of(recipe: Recipe, dataset: FrozenDataset, smoothed: float | None, best: LossRow | None) -> dict[str, Any]:
    """The history that an embedding's file carries. ``best`` is the lowest evaluation loss so far. JSON's types."""
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
            "best_evaluation": None if best is None else round(best[1], 6),
            "best_step": None if best is None else best[0],
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
