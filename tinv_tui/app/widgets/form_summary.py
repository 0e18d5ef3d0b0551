"""What stands in place of the form while it is folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.geometry import Size
from textual.strip import Strip

from tinv_tui.app.keys import name_of
from tinv_tui.app.widgets.lines import Lines

if TYPE_CHECKING:
    from tinv_tui.recipe import Recipe


class FormSummary(Lines):
    """Lines of a recipe: that of the run in sight, or that of the form."""

    def __init__(self) -> None:
        super().__init__(id="form-summary")
        self._said: tuple[str, Recipe] | None = None
        self._laid_out_for = Size()

    def tell(self, whose: str, recipe: Recipe) -> None:
        """``whose`` recipe it is, in a few words."""
        if self._said is None or whose != self._said[0] or recipe is not self._said[1]:
            self._said = (whose, recipe)
            self._rebuild()

    def render_line(self, y: int) -> Strip:
        """Laid out here: Textual does not always tell a widget that comes into sight how large it is."""
        if self.size != self._laid_out_for:
            self._rebuild()
        return super().render_line(y)

    def _rebuild(self) -> None:
        from tinv_tui.app.summary import summary

        width, height = self._laid_out_for = self.size
        if self._said is None or not width:
            return
        whose, recipe = self._said
        lines = summary(recipe, width, height - 4)
        self.show([((whose, "accent"),), (), *lines, (), ((f"{name_of('form.unfold')} opens the form", "label"),)])
