"""Writes the form to a recipe file, and fills it in from one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from tinv_tui.app.background import in_background
from tinv_tui.app.keys import name_of
from tinv_tui.app.screens.ask_path import AskPathScreen

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp
    from tinv_tui.app.widgets.recipe_form import RecipeForm
    from tinv_tui.recipe import Recipe


def ask_where_to_save(app: TinvApp, recipe: Recipe) -> None:
    def save(path: Path | None) -> None:
        from tinv_tui.atomic import write_atomic
        from tinv_tui.errors import InputError, in_words
        from tinv_tui.recipe_file import resolve_paths, to_toml

        if path is None:
            return
        # A recipe's paths start where it lies; those of the form, where the app was started.
        here = Path.cwd()
        try:
            write_atomic(path, to_toml(recipe if path.parent == here else resolve_paths(recipe, here)))
            app.control.note(f"recipe saved: {path}", "good")
        except (InputError, OSError) as error:
            said = error.message if isinstance(error, InputError) else in_words(error)
            app.control.note(f"the recipe was not saved: {said}", "bad")

    app.push_screen(AskPathScreen(f"{recipe.embedding.name or 'recipe'}.toml"), save)


def ask_what_to_load(app: TinvApp, form: RecipeForm) -> None:
    def load(path: Path | None) -> None:
        if path is not None:
            in_background(form, _fill(app, form, path), group="load", exclusive=True)

    app.push_screen(AskPathScreen("", "Fill the form in from a recipe", reads=True), load)


async def _fill(app: TinvApp, form: RecipeForm, path: Path) -> None:
    from tinv_tui.errors import InputError
    from tinv_tui.recipe_file import load_recipe, resolve_paths

    try:
        recipe = resolve_paths(await asyncio.to_thread(load_recipe, path), path.parent)
    except InputError as error:
        app.control.note(f"not loaded. {error.message}. {error.hint}", "bad")
        return
    form.fill(recipe)
    app.control.note(f"recipe loaded: {path}; {name_of('form.undo')} takes it back", "good")
