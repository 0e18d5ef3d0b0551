"""Removes the half-written files that a killed worker leaves: each kill may leave one, and that of the latents is large."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from tinv_tui import paths
from tinv_tui.runs.folder import RunFolder

_PATTERN = ".*.tmp"
"""What :func:`tinv_tui.atomic.write_atomic` calls a file until it is whole."""
_SURELY_LEFT_SECONDS = 60.0


def sweep_leftovers(run: RunFolder) -> None:
    """For the worker that has just taken the run's lock: nobody else writes to the run's subfolders.

    To the run folder itself, and to the library, others may be writing at this moment: there only what is old is removed.
    What cannot be removed stays.
    """
    for folder in (run.checkpoint, run.copies, run.images, run.image_embeddings):
        for path in folder.glob(_PATTERN):
            _remove(path)
    shared = (*run.path.glob(_PATTERN), *paths.embeddings_folder().glob(f".{run.name}{_PATTERN}"))
    for path in _old(shared):
        _remove(path)


def _old(files: tuple[Path, ...]) -> Iterator[Path]:
    for path in files:
        try:
            if time.time() - path.lstat().st_mtime > _SURELY_LEFT_SECONDS:
                yield path
        except OSError:
            continue


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        pass
