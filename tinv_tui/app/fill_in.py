"""Fills the train form in at once: with a preset, or for one of the bundled sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinv_tui.app.fields import FIELDS
from tinv_tui.app.form_values import preset_texts
from tinv_tui.app.keys import name_of
from tinv_tui.app.offer import Offer
from tinv_tui.app.screens.pick import PickScreen
from tinv_tui.app.screens.presets import PresetsScreen
from tinv_tui.models import bundled
from tinv_tui.presets import Preset
from tinv_tui.runs.demo import DEMO_STEPS, demo_recipe

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp
    from tinv_tui.app.widgets.recipe_form import RecipeForm


def offer_presets(app: TinvApp, form: RecipeForm) -> None:
    def chosen(preset: Preset | None) -> None:
        if preset is not None:
            form.put_all(preset_texts(preset, FIELDS))
            app.control.note(f"preset {preset.name} is in the form", "good")

    app.push_screen(PresetsScreen(form.texts), chosen)


def offer_demos(app: TinvApp, form: RecipeForm) -> None:
    def chosen(name: str | None) -> None:
        if name is not None and form.is_mounted:
            form.fill(demo_recipe(DEMO_STEPS, name))
            starts = f"{name_of('run.start')} starts it"
            app.control.note(f"the form is filled in for the bundled set {name}; {starts}", "good")

    offers = [Offer(name, said) for name, said in bundled.SETS.items()]
    app.push_screen(PickScreen("What shall the bundled model learn?", offers, lambda: offers), chosen)
