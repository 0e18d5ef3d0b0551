"""The user's embeddings: TINV_HOME/embeddings, one file each."""

from __future__ import annotations

import os
from pathlib import Path

from tinv_tui.embeddings.files import Embedding, read_embedding
from tinv_tui.errors import InputError

_SUFFIX = ".safetensors"


def find(library: Path, name: str) -> Path | None:
    """The file of the embedding of this name, or None."""
    path = library / f"{name}{_SUFFIX}"
    return path if path.is_file() else None


def names(library: Path) -> list[str]:
    """The names of all embeddings there are, also of those that cannot be read."""
    return sorted(path.stem for path in library.glob(f"*{_SUFFIX}") if not path.name.startswith("."))


def free_name(library: Path, name: str, taken: set[str]) -> str:
    """The name a new run gets. A trained embedding is never replaced unasked: then it is ``name-2``, ``name-3`` …

    An embedding at step 0 is the one to train. ``taken`` are names of runs that will still write their result.
    """
    candidate, number = name, 1
    while candidate in taken or _is_trained(find(library, candidate)):
        number += 1
        candidate = f"{name}-{number}"
    return candidate


def _is_trained(path: Path | None) -> bool:
    if path is None:
        return False
    try:
        return read_embedding(path).step != 0
    except InputError:
        return True  # unreadable, but somebody's: not ours to replace


def load(library: Path, name_or_path: str, beside: Path) -> Embedding:
    """The embedding a recipe names: of the library, or a file. Raises InputError."""
    path = find(library, name_or_path)
    if path is None:
        path = beside / os.path.expanduser(name_or_path)
        if not path.is_file():
            raise InputError(
                "embedding-missing",
                f"embedding.continue_from: {name_or_path!r} is neither in {library} nor a file",
                "Give a name of the library or the path of a .safetensors file.",
            )
    return read_embedding(path)
