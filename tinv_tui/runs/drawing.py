"""What it takes to draw a few pictures with finished embeddings, worked out before a model is loaded."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinv_tui import paths
from tinv_tui.embeddings import library
from tinv_tui.embeddings.files import read_embedding
from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.identify import identify
from tinv_tui.models.prediction import settle_prediction
from tinv_tui.models.tokenizer import PLACEHOLDER, names_in
from tinv_tui.models.vae_file import check_vaes
from tinv_tui.recipe import Recipe
from tinv_tui.recipe_file import resolve_paths
from tinv_tui.runs.beginning import check_fit
from tinv_tui.runs.plan import check_clip_skip


@dataclass(frozen=True)
class Drawing:
    """Pictures to draw: a prompt at some seeds, each with the embeddings and, where wanted, without them.

    Of ``recipe`` only the model, the number format and the preview settings count; paths and sizes are settled.
    """

    recipe: Recipe
    prompt: str
    """As a person reads it: no ``[name]`` in it."""
    embeddings: dict[str, Path]
    """Files by the word that stands for each in the prompt."""
    seeds: tuple[int, ...]
    compare: bool
    folder: Path
    said: tuple[tuple[str, str], ...] = field(default=())
    """(code, message) pairs: what was decided for the user."""

    @property
    def pictures(self) -> int:
        return len(self.seeds) * (2 if self.compare else 1)

    def arguments(self) -> dict[str, Any]:
        """For the job ``generate``."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "prompt": self.prompt,
            "embeddings": {name: str(path) for name, path in self.embeddings.items()},
            "seeds": list(self.seeds),
            "compare": self.compare,
            "folder": str(self.folder),
        }


def pictures_folder() -> Path:
    """Where pictures go that no run drew."""
    return paths.home() / "pictures"


def plan_drawing(
    prompt: str,
    recipe: Recipe,
    beside: Path,
    *,
    embeddings: tuple[str, ...] = (),
    count: int = 1,
    compare: bool = True,
    folder: Path | None = None,
) -> Drawing:
    """Settle what to draw. Raises InputError for everything that can be wrong before the model is loaded.

    ``embeddings`` are library names or files; with none, those of the library are taken that the prompt names.
    ``[name]`` in the prompt stands for the first. Without an embedding there is nothing to compare with.
    """
    if not recipe.model.path.strip():
        raise InputError("model-missing", "there is no base model to draw with", "Give --model.")
    recipe = resolve_paths(recipe, beside)
    model = settle_prediction(identify(recipe.model.path, beside), recipe.model.prediction_type)
    check_vaes(model, recipe.model.vae, recipe.preview.tiny_vae)
    check_clip_skip(recipe, model)
    negative = recipe.preview.negative
    both = f"{prompt}\n{negative}"  # there are embeddings that are made for the negative prompt
    chosen, said = _given(embeddings, both, model, beside) if embeddings else _named(both, model)
    if PLACEHOLDER in both:
        if not chosen:
            raise InputError("embedding-missing", f"{PLACEHOLDER} in the prompt stands for no embedding", "Give one.")
        prompt, negative = (text.replace(PLACEHOLDER, next(iter(chosen))) for text in (prompt, negative))
    values = recipe.model_dump()
    values["preview"]["negative"] = negative
    if model.is_single_file:
        values["model"]["prediction_type"] = model.prediction_type
    for key in ("width", "height"):
        side = getattr(recipe.preview, key) or model.native_size
        if side % model.size_grid:
            raise InputError(
                "size-grid",
                f"a {key} of {side} is not a multiple of {model.size_grid}",
                f"This model wants multiples of {model.size_grid}.",
            )
        values["preview"][key] = side
    first = recipe.preview.seed if recipe.preview.seed >= 0 else secrets.randbelow(2**31)
    return Drawing(
        recipe=Recipe.model_validate(values),
        prompt=prompt,
        embeddings=chosen,
        seeds=tuple(range(first, first + count)),
        compare=compare and bool(chosen),
        folder=(beside / (folder or pictures_folder())).absolute(),
        said=tuple(said),
    )


def short_hash(path: Path) -> str:
    """The first 12 hex digits of a file's SHA-256, as A1111 names an embedding by. Raises OSError."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _given(
    embeddings: tuple[str, ...], prompts: str, model: BaseModel, beside: Path
) -> tuple[dict[str, Path], list[tuple[str, str]]]:
    """The embeddings a user names, each of which has to be of use. Raises InputError."""
    chosen: dict[str, Path] = {}
    for text in embeddings:
        path = _file_of(text, beside)
        check_fit(read_embedding(path), model, "--embedding", "Draw with a model of its own family.")
        if chosen.setdefault(path.stem, path) != path:
            raise InputError("embedding-twice", f"{chosen[path.stem]} and {path} have the same name", "Rename one.")
    used = names_in(prompts.replace(PLACEHOLDER, next(iter(chosen))), list(chosen))
    for name in chosen:
        if name not in used:
            raise InputError(
                "embedding-unused",
                f"the prompt does not name the embedding {name!r}",
                f"Write {name} in it as a word of its own, or {PLACEHOLDER} for the first embedding.",
            )
    return chosen, []


def _named(prompts: str, model: BaseModel) -> tuple[dict[str, Path], list[tuple[str, str]]]:
    """The library's embeddings that the prompts name, as far as they fit the model."""
    found = {name: library.find(paths.embeddings_folder(), name) for name in library.names(paths.embeddings_folder())}
    files = {name: path for name, path in found.items() if path is not None}
    chosen, said = dict[str, Path](), list[tuple[str, str]]()
    for name in names_in(prompts, list(files)):
        try:
            check_fit(read_embedding(files[name]), model, name, "")
        except InputError as error:
            said.append(("embedding-left-out", f"{error.message}; {name!r} is read as plain text"))
            continue
        chosen[name] = files[name]
        said.append(("embedding-found", f"{name} is an embedding of the library: {files[name]}"))
    if not said:
        said.append(("embedding-none", "the prompt names no embedding of the library: drawn without one"))
    return chosen, said


def _file_of(text: str, beside: Path) -> Path:
    found = library.find(paths.embeddings_folder(), text)
    path = found or beside / os.path.expanduser(text)
    if not path.is_file():
        raise InputError(
            "embedding-missing",
            f"{text!r} is neither an embedding in {paths.embeddings_folder()} nor a file",
            "Give a name of the library or the path of an embedding file.",
        )
    return path.absolute()
