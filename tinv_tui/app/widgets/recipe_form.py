"""The form of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.message import Message

from tinv_tui.app.checked_recipe import CheckedRecipe
from tinv_tui.app.fields import KIND, ROWS
from tinv_tui.app.offer import FROM_PICTURE
from tinv_tui.app.widgets.controls import Choice
from tinv_tui.app.widgets.form import Form
from tinv_tui.recipe import Recipe

if TYPE_CHECKING:
    from tinv_tui.runs.estimates import Probe, Work


class RecipeForm(Form[CheckedRecipe]):
    """Subject or style is no setting: it picks the template, and follows it."""

    class PictureWanted(Message):
        """The preview's settings shall come from a picture."""

    def __init__(self, recipe: Recipe) -> None:
        self._probes: dict[Work, Probe] = {}
        super().__init__(ROWS, recipe, self._check_recipe, CheckedRecipe(), id="form")

    def keep_probe(self, recipe: Recipe, probe: Probe) -> None:
        """Tell time and memory of recipes that do the same work as this one, resolved, by what was measured."""
        from tinv_tui.runs.estimates import work_of

        self._probes[work_of(recipe)] = probe
        self.check_soon(0.01)

    def _check_recipe(self, texts: dict[str, str], base: Recipe, beside: Path) -> CheckedRecipe:
        from tinv_tui.app.checks import check_form  # numpy and more, once the form is in sight

        return check_form(texts, base, beside, self._probes)

    @on(Form.WasChecked)
    def _draw_schedules(self) -> None:
        for key in ("training.learning_rate", "training.clip_schedule"):
            self.draw_at(key, self.checked.schedules.get(key))

    def text_shown(self) -> None:
        kind = self.control(KIND)
        assert isinstance(kind, Choice)
        word = self._texts["dataset.template"].partition("_")[0]
        kind.choose(word if word in ("subject", "style") else None)

    def take_offer(self, key: str, value: str) -> None:
        if key == "preview.prompts" and value == FROM_PICTURE:
            self.post_message(self.PictureWanted())
        else:
            super().take_offer(key, value)

    def option_chosen(self, key: str, value: str) -> None:
        had_captions = self._texts["dataset.template"] in ("subject_filewords", "style_filewords")
        other = self._texts["dataset.template"] not in ("subject", "style")
        self.put("dataset.template", f"{value}_filewords" if had_captions or other else value)
