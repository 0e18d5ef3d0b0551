"""Fills in the preview's fields from a picture made by A1111 or Forge."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp
    from tinv_tui.app.widgets.recipe_form import RecipeForm


def ask_for_picture(app: TinvApp, form: RecipeForm) -> None:
    """Ask which picture, and fill in what its text says."""
    from tinv_tui.app.background import in_background
    from tinv_tui.app.screens.ask_path import AskPathScreen

    def fill(picture: Path | None) -> None:
        if picture is not None:
            in_background(form, _fill(app, form, picture), group="preview-from", exclusive=True)

    title = "Preview settings from a PNG made by A1111 or Forge"
    app.push_screen(AskPathScreen("", title, reads=True, ending=".png"), fill)


async def _fill(app: TinvApp, form: RecipeForm, picture: Path) -> None:
    from tinv_tui.app.form_values import text_of
    from tinv_tui.datasets.infotext import preview_values, read_infotext
    from tinv_tui.errors import InputError

    try:
        values, notes = await asyncio.to_thread(lambda: preview_values(read_infotext(picture)))
    except InputError as error:
        app.control.note(f"{error.message}. {error.hint}", "bad")
        return
    form.put_all({f"preview.{key}": text_of(value) for key, value in values.items()})
    app.control.note(f"preview settings from {picture.name}", "good")
    for note in notes:
        app.control.note(f"{picture.name}: {note}", "warning")
