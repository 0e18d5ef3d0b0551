"""The form of a recipe."""

from __future__ import annotations

from tinv_tui.app.checks import CheckedRecipe, check_form
from tinv_tui.app.fields import KIND, ROWS
from tinv_tui.app.widgets.controls import Choice
from tinv_tui.app.widgets.form import Form
from tinv_tui.recipe import Recipe


class RecipeForm(Form[CheckedRecipe]):
    """Subject or style is no setting: it picks the template, and follows it."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(ROWS, recipe, check_form, CheckedRecipe(), id="form")

    def text_shown(self) -> None:
        kind = self.control(KIND)
        assert isinstance(kind, Choice)
        word = self._texts["dataset.template"].partition("_")[0]
        kind.choose(word if word in ("subject", "style") else None)

    def option_chosen(self, key: str, value: str) -> None:
        had_captions = self._texts["dataset.template"] in ("subject_filewords", "style_filewords")
        other = self._texts["dataset.template"] not in ("subject", "style")
        self.put("dataset.template", f"{value}_filewords" if had_captions or other else value)
