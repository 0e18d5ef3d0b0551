"""The user's embeddings: TINV_HOME/embeddings, one file each."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tinv_tui import paths
from tinv_tui.atomic import write_atomic
from tinv_tui.embeddings.embedding import UNTRAINABLE
from tinv_tui.embeddings.files import Embedding, read_embedding, read_step
from tinv_tui.embeddings.formats import NAMED_BY_FILE
from tinv_tui.embeddings.pairs import is_second, second_of
from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.families import FAMILIES, Family

CHOSEN = "chosen_step"
"""The detail that marks a result which somebody picked by hand."""


@dataclass(frozen=True)
class Entry:
    """A file of the library: the embedding it holds, or the reason why it cannot be used.

    Both, where it is an embedding that no base model here takes.
    """

    path: Path
    modified: datetime
    embedding: Embedding | None
    reason: str = ""

    @property
    def name(self) -> str:
        """What it is called in the library, and as its placeholder: the file's name."""
        return self.path.stem

    @property
    def to_continue(self) -> str:
        """What ``embedding.continue_from`` says to go on from it: the name, or the path where no name finds it."""
        if self.path.parent != paths.embeddings_folder():
            return str(self.path)
        return self.name if find(self.path.parent, self.name) == self.path else str(self.path)

    @property
    def day(self) -> str:
        return self.modified.date().isoformat()


def read_all(library: Path) -> list[Entry]:
    """Every embedding of the library, by name; no file is left out because it cannot be read."""
    try:
        files = [p for p in library.iterdir() if p.is_file() and not p.name.startswith(".")]
    except OSError:
        return []
    files.sort(key=lambda path: (path.stem.lower(), path.name))
    entries = [_read_entry(path) for path in files]
    return [entry for entry in entries if entry.embedding is None or not is_second(entry.path, entry.embedding)]


def _read_entry(path: Path) -> Entry:
    modified = datetime.fromtimestamp(0).astimezone()
    try:
        modified = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
        embedding = read_embedding(path)
        return Entry(path, modified, embedding, _nobody_takes(embedding))
    except InputError as error:
        choose = f"; go on from one as {path.stem}#NAME" if error.code == "several-embeddings" else ""
        return Entry(path, modified, None, error.message.removeprefix(str(path)).lstrip(": ") + choose)
    except OSError as error:
        return Entry(path, modified, None, error.strerror or str(error))


def _nobody_takes(embedding: Embedding) -> str:
    """Why no base model here takes an embedding; "" where one may."""
    if embedding.family in UNTRAINABLE:
        return f"it is for {embedding.family}, which cannot be trained on"
    if any(name.endswith("_out") for name in embedding.vectors):
        return "its vectors join behind the text encoder (OneTrainer's output side), where no prompt puts them"
    import numpy as np

    if not all(np.isfinite(rows).all() for rows in embedding.vectors.values()):
        return "it holds values that are not finite"
    return ""


def accepted_by(embedding: Embedding) -> list[Family]:
    """The families whose published models take its tensors."""
    held = {tensor: rows.shape[1] for tensor, rows in embedding.vectors.items()}
    return [f for f in FAMILIES if held == {encoder.tensor: encoder.width for encoder in f.encoders}]


def misfit(embedding: Embedding, model: BaseModel) -> str:
    """Why a model cannot take an embedding, in words; "" when it can."""
    widths = {tensor: rows.shape[1] for tensor, rows in embedding.vectors.items()}
    family = embedding.told_family
    if reason := _nobody_takes(embedding):
        return reason
    if widths == dict(zip(model.family.tensors, model.widths, strict=True)) and family in (None, model.family.name):
        return ""
    held, taken = " + ".join(map(str, widths.values())), " + ".join(map(str, model.widths))
    label = next((known.label for known in FAMILIES if known.name == family), family)
    if label and family != model.family.name:
        return f"it is {held} wide: {label}; this model is {model.family.label}"
    return f"it is {held} wide{'' if label else ', of no known family'}; this {model.family.label} model takes {taken}"


def find(library: Path, name: str) -> Path | None:
    """The file of the embedding of this name, or None; ours before another tool's."""
    return next(iter(_files_called(library, name)), None)


def what_hides(library: Path, name: str, results: Collection[Path]) -> Path | None:
    """The file that is found by the name in place of those: created, or chosen, where the results are of other formats."""
    first = find(library, name)
    return first if first not in results and any(path.suffix in NAMED_BY_FILE for path in results) else None


def _files_called(library: Path, name: str) -> list[Path]:
    """All files that answer to the name: another tool's ``x.pt`` does, beside our own."""
    files = (library / f"{name}{suffix}" for suffix in NAMED_BY_FILE)
    return [path for path in files if os.path.isfile(path)]  # also of a name that no file can have, too long say


def names(library: Path) -> list[str]:
    """The names of all embeddings there are, also of those that cannot be read."""
    files = (path for suffix in NAMED_BY_FILE for path in library.glob(f"*{suffix}"))
    return sorted({path.stem for path in files if not path.name.startswith(".")})


def free_name(library: Path, name: str, taken: set[str]) -> str:
    """The name a new run gets. A trained embedding is never replaced unasked: then it is ``name-2``, ``name-3`` …

    An embedding at step 0 is the one to train. ``taken`` are names of runs that will still write their result.
    """
    candidate, number = name, 1
    while candidate in taken or any(map(is_trained, _files_called(library, candidate))):
        number += 1
        candidate = f"{name}-{number}"
    return candidate


def keep_aside(path: Path, why: str) -> Path | None:
    """Copy an embedding to ``name.why.safetensors`` beside it (``name.why-2`` … where that is taken), None without one.

    Loaders take the whole stem for the name, so the kept one answers to no prompt that names the embedding.
    """
    if not path.is_file():
        return None
    number = 1
    while True:
        kept = path.with_name(f"{path.stem}.{why}{'' if number == 1 else f'-{number}'}{path.suffix}")
        if not kept.exists():
            write_atomic(kept, path.read_bytes())
            if (second := second_of(path)).is_file() and _is_pair(path):
                write_atomic(second_of(kept), second.read_bytes())
            return kept
        number += 1


def _is_pair(path: Path) -> bool:
    try:
        return is_second(second_of(path), read_embedding(path))
    except InputError:
        return False


def is_embedding(path: Path) -> bool:
    """Whether the file holds an embedding that can be read."""
    try:
        return bool(read_embedding(path).vectors)
    except InputError:
        return False


def is_chosen(path: Path) -> bool:
    """Whether the file is a result that was picked by hand."""
    try:
        return CHOSEN in read_embedding(path).details
    except InputError:
        return False


def is_trained(path: Path) -> bool:
    """Whether there is an embedding beyond step 0, or a file of which nobody can tell."""
    if not path.is_file():
        return False
    try:
        return read_step(path) != 0 or read_embedding(path).step != 0
    except InputError:
        return True  # unreadable, but somebody's: not ours to replace


def load(library: Path, name_or_path: str, beside: Path) -> Embedding:
    """The embedding a recipe names: of the library, or a file, ``file#term`` where that holds several. Raises InputError."""
    path = find(library, name_or_path) or beside / os.path.expanduser(name_or_path)
    if os.path.isfile(path):
        return read_embedding(path)
    file, mark, term = name_or_path.rpartition("#")
    if mark and term:
        path = find(library, file) or beside / os.path.expanduser(file)
        if os.path.isfile(path):
            return read_embedding(path, term)
    raise InputError(
        "embedding-missing",
        f"embedding.continue_from: {name_or_path!r} is neither in {library} nor a file",
        "Give a name of the library or the path of an embedding file.",
    )
