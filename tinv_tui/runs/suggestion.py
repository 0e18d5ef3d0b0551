"""Suggests words to start from: what a captioner says of one picture of the dataset."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tinv_tui.datasets.captioner_models import default_captioner
from tinv_tui.datasets.pictures import list_pictures, usable_pictures
from tinv_tui.errors import InputError
from tinv_tui.runs.jobs import run_job


@dataclass(frozen=True)
class Suggestion:
    """Who is asked, and about what; ``model`` is the captioner's own, a folder or a hub id."""

    picture: Path
    captioner: str
    model: str


def plan_suggestion(dataset: str, turn: int, base_model: str) -> Suggestion:
    """A picture of the dataset, another one each turn, and the captioner that suits the base model.

    Raises InputError when there is no picture, or no captioner on this machine.
    """
    if not dataset.strip():
        raise InputError("dataset-missing", "dataset.path: no picture to ask about", "Give the folder of pictures.")
    folder = Path.cwd() / os.path.expanduser(dataset)
    pictures = usable_pictures(folder, list_pictures(folder))
    found = default_captioner(base_model)
    if found.folder is None:
        raise InputError("captioner-missing", found.missing, f"Get it with: {found.command}" if found.command else "")
    return Suggestion(pictures[turn % len(pictures)].path, found.captioner, found.model)


async def suggest(suggestion: Suggestion) -> str:
    """The caption, on one line. Raises InputError, JobBroken or JobCancelled; ends with who waits for it."""
    answer = await run_job(
        "caption", picture=str(suggestion.picture), captioner=suggestion.captioner, model=suggestion.model
    )
    return " ".join(str(answer["caption"]).split())
