"""The form of a recipe."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.message import Message

from tinv_tui.app.checked_recipe import CheckedRecipe
from tinv_tui.app.edits import Filled
from tinv_tui.app.fields import KIND, ROWS
from tinv_tui.app.form_values import Change
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

    @dataclass
    class AllTakenBack(Message):
        """Nothing is left out any more: it was of ``folder``, and the form has another dataset now."""

        folder: str

    def __init__(self, recipe: Recipe) -> None:
        self._probes: dict[Work, Probe] = {}
        self._left_out_of = ""
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

    @on(Form.WasChecked)
    def _take_back(self) -> None:
        """What is left out is told by file names, and another folder may well have some of the same."""
        folder, before = os.path.abspath(os.path.expanduser(self._texts["dataset.path"].strip())), self._left_out_of
        if not self.checked.pictures:
            return  # half a path, most often
        self._left_out_of = folder
        if before and folder != before and self._texts["dataset.exclude"].strip():
            self.put("dataset.exclude", "")
            self.post_message(self.AllTakenBack(before))

    def _show(self, recipe: Recipe) -> None:
        self._left_out_of = ""  # a recipe says both
        super()._show(recipe)

    def _go_to(self, state: Filled | None) -> list[Change]:
        self._left_out_of = ""
        return super()._go_to(state)

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
