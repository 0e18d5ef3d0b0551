"""What the vectors of a run begin with: an embedding to go on from, one that was created under its name, or words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinv_tui import paths
from tinv_tui.embeddings import library
from tinv_tui.embeddings.files import Embedding, read_embedding, read_step
from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.printable import many
from tinv_tui.recipe import Recipe


def what_it_begins_with(recipe: Recipe, model: BaseModel, beside: Path) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What the recipe has to say of the vectors the run begins with, where it goes on from an embedding; and what is said.

    Of one that was created, the words too: who runs the recipe again has no such file any more, only its result.
    """
    start, asked = starting_embedding(recipe, beside), recipe.embedding
    if start is None:
        return {}, []
    key = "embedding.continue_from" if asked.continue_from else "embedding.name"
    check_fit(start, model, key, "Train it on a model of its own family.")
    words = "" if asked.continue_from else start.details.get("init_text", "")
    begins_with = {"vectors": start.count, **({"init_text": words} if words else {})}
    if asked.continue_from or (asked.vectors, asked.init_text) == (start.count, words or asked.init_text):
        return begins_with, []
    said = (
        f"{asked.name} was created with {many(start.count, 'vector')}{f' of {words!r}' * bool(words)}: they are trained"
    )
    return begins_with, [("embedding-created", f"embedding.name: {said}")]


def check_fit(embedding: Embedding, model: BaseModel, key: str, hint: str) -> None:
    """Raise InputError, which names ``key``, unless the model's text encoder takes the embedding's vectors."""
    reason = library.misfit(embedding, model)
    if reason:
        raise InputError("embedding-misfit", f"{key}: the embedding {embedding.name!r} does not fit: {reason}", hint)


def starting_embedding(recipe: Recipe, beside: Path) -> Embedding | None:
    """What the vectors start from: ``continue_from``, or a library embedding of the name at step 0. Raises InputError."""
    folder = paths.embeddings_folder()
    if recipe.embedding.continue_from:
        return library.load(folder, recipe.embedding.continue_from, beside)
    created = library.find(folder, recipe.embedding.name)
    if created is None:
        return None
    try:
        return read_embedding(created) if read_step(created) == 0 else None
    except InputError:
        return None
