"""What a run may replace in the library: its own results, and what was there when it was told to replace it."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from tinv_tui import paths
from tinv_tui.atomic import write_atomic
from tinv_tui.embeddings.formats import FORMATS, library_file
from tinv_tui.recipe import Recipe
from tinv_tui.runs.folder import RunFolder


def note_what_was_there(folder: RunFolder, recipe: Recipe) -> None:
    """Of a run that is being made: what another puts there from now on is not what it was told to replace. Raises OSError.

    All formats are looked at: those of the result may be others once it is resumed.
    """
    if not (recipe.embedding.overwrite or recipe.embedding.continue_from):
        return
    found = dict[str, str]()
    for form in FORMATS.values():
        path = library_file(paths.embeddings_folder(), recipe.embedding.name, form)
        with suppress(OSError):  # one that cannot be read is replaced, as was asked
            found[str(path)] = _digest(path) if path.exists() else ""
    write_atomic(folder.results, json.dumps(found))


def remember_result(folder: RunFolder, path: Path) -> None:
    """The run has written this file of the library. Raises OSError."""
    write_atomic(folder.results, json.dumps(_known(folder) | {str(path): _digest(path)}))


def is_as_known(folder: RunFolder, path: Path) -> bool | None:
    """Whether a file that is there is as the run last wrote or found it; None where the run knows of none. Raises OSError."""
    known = _known(folder).get(str(path))
    return None if known is None else known == _digest(path)


def _known(folder: RunFolder) -> dict[str, str]:
    try:
        return dict(json.loads(folder.results.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
