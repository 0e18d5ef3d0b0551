"""Makes an embedding that is still to be trained: its vectors are rows of the base model's token table, its step is 0."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinv_tui import paths
from tinv_tui.datasets.pictures import list_pictures, without
from tinv_tui.embeddings import library
from tinv_tui.embeddings.files import Embedding, write_embedding
from tinv_tui.embeddings.names import Warnings, clean_name, name_warnings
from tinv_tui.embeddings.packing import unpack
from tinv_tui.embeddings.start import starting_tokens, vectors_warning
from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.hashes import known_hash
from tinv_tui.models.identify import identify
from tinv_tui.models.token_table import read_token_rows
from tinv_tui.models.tokenizer import tokenizer_for
from tinv_tui.recipe import Recipe
from tinv_tui.recipe_file import resolve_paths
from tinv_tui.runs.plan import check_library, names_being_trained


@dataclass(frozen=True)
class Creation:
    """An embedding to make, with every question answered."""

    name: str
    path: Path
    model: BaseModel
    vectors: int
    init_text: str
    tokens: tuple[int, ...]
    """The token each vector starts from; none for zeros."""
    warnings: tuple[tuple[str, str], ...]
    """(code, message) pairs."""
    model_hash: str | None = None
    """As far as it is known already: a new embedding does not wait for gigabytes to be read."""


def plan_creation(recipe: Recipe, beside: Path) -> Creation:
    """What Create makes of a recipe: of its base model and its embedding, and for advice its dataset, if it has one.

    Relative paths start at ``beside``. Raises InputError; nothing is written.
    """
    asked = recipe.embedding
    name = clean_name(asked.name)
    if not recipe.model.path.strip():
        raise InputError(
            "recipe-missing", "model.path is required", 'Give a model file, a diffusers folder, or "bundled".'
        )
    recipe = resolve_paths(recipe, beside)
    model = identify(recipe.model.path, beside)
    folder = paths.embeddings_folder()
    tokenizer = tokenizer_for(model.tokenizer_folder)
    warnings = name_warnings(asked.name, name, library.names(folder), tokenizer)
    tokens = starting_tokens(asked.init_text, asked.vectors, tokenizer)
    existing = library.find(folder, name)
    if existing is not None and not asked.overwrite:
        raise InputError(
            "embedding-exists",
            f"embedding.name: {existing} is there already",
            "Give another name, or overwrite it (--overwrite).",
        )
    if name in names_being_trained(recipe):
        raise InputError(
            "embedding-in-training",
            f"embedding.name: a run is training {name!r} and will write its result there",
            "Give another name, or stop the run.",
        )
    if existing is not None:
        warnings.append(("embedding-replaced", f"{existing} is replaced"))
    warnings += _dataset_warnings(recipe)
    check_library()
    path = folder / f"{name}.safetensors"
    model_hash = known_hash(model.path)
    return Creation(name, path, model, asked.vectors, asked.init_text, tuple(tokens), tuple(warnings), model_hash)


def _dataset_warnings(recipe: Recipe) -> Warnings:
    """Whether the vectors are many for the pictures. A dataset that is not there yet is no obstacle to a name."""
    if not recipe.dataset.path.strip():
        return []
    try:
        there = without(list_pictures(Path(recipe.dataset.path)), recipe.dataset.exclude)
        pictures = [p for p in there if p.problem is None]
    except InputError as error:
        return [(error.code, error.message)]
    said = vectors_warning(recipe.embedding.vectors, len(pictures)) if pictures else None
    return [said] if said else []


async def create_embedding(creation: Creation) -> Path:
    """Write the embedding into the library, which is made where it is absent. Raises InputError or OSError."""
    rows = await asyncio.to_thread(_rows, creation)
    creation.path.parent.mkdir(parents=True, exist_ok=True)
    details = {"family": creation.model.family.name, "init_text": creation.init_text, "tool": "tinv-tui"}
    if creation.model_hash is not None:
        details["base_model_hash"] = creation.model_hash
    embedding = Embedding(
        name=creation.name,
        vectors=unpack(rows, creation.model),
        step=0,
        base_model=creation.model.name,
        details=details,
    )
    write_embedding(creation.path, embedding)
    return creation.path


def _rows(creation: Creation) -> NDArray[np.float32]:
    model, tokens = creation.model, creation.tokens
    if not tokens:
        return np.zeros((creation.vectors, model.width), np.float32)
    return read_token_rows(model, tokens)
