"""The template that a form names, or the user's copy of it, in an editor; what is kept there is taken."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from tinv_tui.datasets.own_templates import open_own
from tinv_tui.errors import InputError

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp
    from tinv_tui.app.widgets.recipe_form import RecipeForm


async def edit_template(app: TinvApp, form: RecipeForm) -> None:
    """Open the editor; a template that cannot be read is told instead."""
    from tinv_tui.app.screens.template_editor import TemplateEditor

    try:
        template = await asyncio.to_thread(open_own, form.texts["dataset.template"].strip(), Path.cwd())
    except InputError as error:
        form.control("dataset.template").focus()
        app.control.note(error.message, "bad")
        return

    def kept(name: str | None) -> None:
        if name is not None:
            form.put("dataset.template", name)
            app.control.note(f"template kept: {template.path}", "good")

    app.push_screen(TemplateEditor(template, form.checked), kept)
