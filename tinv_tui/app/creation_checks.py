"""What the Create form would make, worked out while it is typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinv_tui import paths
from tinv_tui.app.embedding_notes import start_notes
from tinv_tui.app.fields import Field, Rows, fields_of
from tinv_tui.app.form_values import Checked, Mark, key_of, read_fields, short
from tinv_tui.embeddings import library
from tinv_tui.embeddings.library import Entry
from tinv_tui.errors import InputError
from tinv_tui.recipe import Recipe
from tinv_tui.runs.creation import Creation, plan_creation

ROWS: Rows = (
    (Field("embedding.name", "Name", placeholder="the new word"),),
    (Field("model.path", "Base model", lists=True, placeholder="{app.models} lists what is here"),),
    (Field("dataset.path", "Dataset", lists=True, placeholder="the pictures it is for; may stay empty"),),
    (Field("embedding.vectors", "Vectors", 5),),
    (Field("embedding.init_text", "Init text", placeholder="zeros"),),
    (Field("embedding.overwrite", "replace an embedding of this name"),),
)
FIELDS = fields_of(ROWS)
_REQUIRED = ("embedding.name", "model.path")


@dataclass(frozen=True)
class CheckedCreation(Checked):
    creation: Creation | None = None
    entries: tuple[Entry, ...] = ()
    """What the library holds."""


def check_creation(texts: dict[str, str], base: Recipe, beside: Path) -> CheckedCreation:
    """Everything that can be said before the embedding is made; never raises InputError."""
    recipe, errors = read_fields(texts, base, FIELDS)
    missing = frozenset(key for key in _REQUIRED if not texts[key].strip())
    errors |= dict.fromkeys(missing, "is required")
    notes = start_notes(texts, beside)
    creation: Creation | None = None
    facts: tuple[tuple[Mark, str], ...] = ()
    if recipe is not None and not errors:
        try:
            creation = plan_creation(recipe, beside)
            facts = _facts(creation)
        except InputError as error:
            key = key_of(error) or ""
            errors[key] = short(error, key)
            facts = () if key in FIELDS else (("✖", f"{error.message}. {error.hint}".strip()),)
    entries = tuple(library.read_all(paths.embeddings_folder()))
    return CheckedCreation(recipe, errors, missing, notes, facts, creation, entries)


def _facts(creation: Creation) -> tuple[tuple[Mark, str], ...]:
    kib = creation.vectors * creation.model.width * 4 / 1024
    made = f"{creation.path.name}: {creation.vectors} × {creation.model.width}, {kib:.3g} KiB"
    facts: list[tuple[Mark, str]] = [("✔", made), ("✔", f"for {creation.model.family.label} models")]
    return (*facts, *(("!", message) for _, message in creation.warnings))
