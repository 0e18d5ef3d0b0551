"""What a filled-in form says other than the newest run's recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tinv_tui.app.fields import FIELDS
from tinv_tui.app.form_values import Change, changes, texts_of
from tinv_tui.errors import InputError
from tinv_tui.printable import many
from tinv_tui.recipe import Recipe
from tinv_tui.recipe_file import resolve_paths
from tinv_tui.runs.folder import all_runs
from tinv_tui.runs.left_open import recipe_as_asked


@dataclass(frozen=True)
class SinceLastRun:
    """``texts`` are what the form of that run said, with whole paths; ``changes`` lead from there to what it says now."""

    name: str
    texts: dict[str, str]
    changes: tuple[Change, ...]

    @property
    def in_words(self) -> str:
        count = len(self.changes)
        return f"{many(count, 'field')} changed since last run" if count else "as the last run"


def since_last_run(texts: Mapping[str, str], recipe: Recipe | None, beside: Path) -> SinceLastRun | None:
    """None where there was no run yet, or its recipe cannot be read. ``recipe`` is what the texts mean, if anything."""
    runs = all_runs()
    if not runs:
        return None
    try:
        last = recipe_as_asked(runs[0])
        recipe = resolve_paths(recipe, beside) if recipe is not None else None
    except InputError:
        return None
    then = texts_of(last, FIELDS)
    now = texts_of(recipe, FIELDS) if recipe is not None else dict(texts)
    name = now["embedding.name"].strip()
    if then["embedding.name"].startswith(f"{name}-") and then["embedding.name"][len(name) + 1 :].isdigit():
        del now["embedding.name"]  # it was given another because this one was taken
    return SinceLastRun(runs[0].name, then, tuple(changes(then, now, FIELDS)))
