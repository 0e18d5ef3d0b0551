"""What the try key draws with: the finished embedding that is nearest at hand, and a prompt to begin with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinv_tui import paths
from tinv_tui.embeddings import library
from tinv_tui.errors import InputError
from tinv_tui.models.tokenizer import PLACEHOLDER
from tinv_tui.recipe import Recipe
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.folder import RunFolder


@dataclass(frozen=True)
class Trial:
    """An embedding's file, the recipe whose model and preview settings it is drawn with, and the first prompt."""

    embedding: Path
    recipe: Recipe
    prompt: str

    @property
    def name(self) -> str:
        """The word in the prompt."""
        return self.embedding.stem


def find_trial(run: RunFolder | None, form: Recipe) -> Trial | None:
    """Of the run on the screen, its result or else its newest copy; without a run, the library's embedding of the form.

    None when there is nothing finished yet, or no base model to draw with.
    """
    found = _of_run(run) if run is not None else None
    if found is not None:
        return found
    name = form.embedding.name.strip()
    path = library.find(paths.embeddings_folder(), name) if name else None
    return trial_of(path, form) if path is not None and form.model.path.strip() else None


def trial_of(embedding: Path, recipe: Recipe) -> Trial:
    """An embedding to be drawn with the model and preview settings of a recipe."""
    name = embedding.stem
    prompts = recipe.preview.prompts
    is_style = recipe.dataset.template.startswith("style")
    plain = f"a picture in the style of {PLACEHOLDER}" if is_style else f"a photo of {PLACEHOLDER}"
    text = prompts[0].replace(recipe.embedding.name, PLACEHOLDER) if prompts and recipe.embedding.name else plain
    return Trial(embedding, recipe, (text if PLACEHOLDER in text else plain).replace(PLACEHOLDER, name))


def _of_run(run: RunFolder) -> Trial | None:
    try:
        recipe = load_recipe(run.recipe)
    except InputError:
        return None
    result = library.find(paths.embeddings_folder(), recipe.embedding.name)
    copies = sorted(run.copies.glob("*.safetensors"), key=lambda path: path.stat().st_mtime)
    path = result or (copies[-1] if copies else None)
    return trial_of(path, recipe) if path is not None else None
