"""The library and the further folders of embeddings that the settings name, such as A1111's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tinv_tui.embeddings.library import Entry, read_all
from tinv_tui.settings import load_settings

_SUFFIXES = (".safetensors", ".pt", ".bin", ".png", ".webp")
_MOST_FOLDERS = 500


def read_shelves() -> list[Entry]:
    """Every file of the library by name, then of each further folder those that may be embeddings, at any depth.

    Raises InputError when the settings are wrong.
    """
    library, *others = load_settings().embedding_folders()
    found = read_all(library)
    seen = {library.resolve()}
    for shelf in others:
        for folder in _below(shelf, seen):
            found += [entry for entry in read_all(folder) if entry.path.suffix.lower() in _SUFFIXES]
    return found


def _below(shelf: Path, seen: set[Path]) -> Iterator[Path]:
    """The folder and all below it, each once; links are followed, as A1111 does (reference a1111 §2.2)."""
    for folder, inside, _ in os.walk(shelf, followlinks=True):
        real = Path(folder).resolve()
        if real in seen or len(seen) > _MOST_FOLDERS:
            inside.clear()
            continue
        seen.add(real)
        inside.sort()
        yield Path(folder)
