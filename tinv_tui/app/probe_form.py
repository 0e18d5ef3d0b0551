"""Measures a step of what a form says; its foot then tells time and memory by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp
    from tinv_tui.app.widgets.recipe_form import RecipeForm
    from tinv_tui.runs.estimates import Probe


async def probe(app: TinvApp, form: RecipeForm) -> None:
    """Offer it; what is wrong with the form is shown instead."""
    from tinv_tui.app.screens.probe import ProbeScreen

    plan = (await form.check_now(all_fields=True)).plan
    if plan is None:
        form.focus_error(form.checked.errors)
        return
    recipe = plan.recipe

    def measured(found: Probe | None) -> None:
        if found is not None:
            form.keep_probe(recipe, found)
            app.control.note(found.in_words(), "good")

    app.push_screen(ProbeScreen(recipe), measured)
