"""Panes that are folded to a few lines, or alone on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.geometry import Size
from textual.widget import Widget

from tinv_tui.app.modes import ModeName
from tinv_tui.app.screens.steering import SteeringScreen
from tinv_tui.app.widgets.form_pane import FormPane
from tinv_tui.app.widgets.pane import Pane

if TYPE_CHECKING:
    from tinv_tui.app.watcher import RunNow
    from tinv_tui.runs.folder import RunFolder

FORM = "form-pane"
FOLDING = (FORM, "dataset-pane", "loss-pane", "gpu-pane", "preview-pane", "log-pane")
_FOLDING_BEHIND_TABS = ("preview-pane", "log-pane")
"""They share the loss's tab; all others, and the log too behind its own, fill the one they are on."""


class FoldingScreen(SteeringScreen):
    """Each pane folds by key; the form by itself too, while a run is on. A pane that is alone is whole.

    The screen wears ``-fold-<pane>`` for each that is folded, and ``-zoom`` where one is alone.
    """

    def __init__(self, mode: ModeName) -> None:
        super().__init__(mode)
        self._by_hand: dict[str, bool] = {}
        self._run_on: RunFolder | None = None
        self.alone: Pane | None = None
        """The pane that has the whole screen."""

    @property
    def form_pane(self) -> FormPane:
        return self.query_one(FormPane)

    def show_run(self, now: RunNow | None) -> None:
        super().show_run(now)
        run_on = now.folder if now is not None and now.is_live else None
        if run_on != self._run_on:
            self._run_on = run_on
            self._by_hand.pop(FORM, None)
        self.form_pane.sum_up(now)
        self.settle_panes()

    def fit(self, size: Size, *, update: bool = True) -> None:
        super().fit(size, update=update)
        if update:
            self.settle_panes()

    def settle_panes(self) -> None:
        """Fold and unfold what should be, and leave the others out of sight where one is alone."""
        folded = {pane: self.is_folded(pane) for pane in FOLDING}
        loses_focus = self.focused is self.form_pane and not folded[FORM]
        if folded[FORM] and self._is_in_form():
            self.set_focus(None)
            loses_focus = True
        self.form_pane.can_focus = folded[FORM]
        worn = {f"-fold-{pane}": is_folded for pane, is_folded in folded.items()}
        self.wear({**worn, "-zoom": self.alone is not None})
        if loses_focus:
            self.call_after_refresh(self._find_focus)

    def _find_focus(self) -> None:
        """Where what had the focus has gone out of sight, and nothing has taken it since."""
        if self.focused is not None and self.focused is not self.form_pane:
            return
        if self.is_folded(FORM):
            self.set_focus(self.form_pane)
        elif self.alone is self.form_pane or (self.has_class("-tabs") and self.has_class("-tab-form")):
            self.form_pane.enter()
        else:
            self.set_focus(self.query_one("#loss-pane"))

    def is_folded(self, pane: str) -> bool:
        if self.alone is not None and self.alone.id == pane:
            return False
        if self.has_class("-tabs") and pane not in _FOLDING_BEHIND_TABS:
            return False
        return self._by_hand.get(pane, pane == FORM and self._folds_by_itself())

    def _folds_by_itself(self) -> bool:
        if not self.app.app_focus:  # in a terminal that is left for another window nothing has the focus
            return self.has_class(f"-fold-{FORM}")
        return self._run_on is not None and not self._is_in_form()

    def _is_in_form(self) -> bool:
        """Whether somebody is filling it in: it does not fold under their hands."""
        return self.pane_in_focus() == FORM and self.focused is not self.form_pane

    def action_fold(self) -> None:
        here = self.pane_in_focus()
        fills_tab = self.has_class("-tabs") and (here not in _FOLDING_BEHIND_TABS or self.has_class("-tab-log"))
        if here is None or self.alone is not None or fills_tab:
            self.app.bell()
        elif here == FORM and self.is_folded(FORM):
            self.enter_form()
        else:
            self._by_hand[here] = not self.is_folded(here)
            self.settle_panes()

    def unfold_form(self) -> None:
        """Bring the whole form into sight, where it was folded."""
        if self.is_folded(FORM):
            self._by_hand[FORM] = False
            self.settle_panes()

    def leave_form(self) -> None:
        """Let the form fold by itself again, where it was opened to be filled in."""
        if self._by_hand.get(FORM) is False:
            del self._by_hand[FORM]

    @on(FormPane.Wanted)
    def enter_form(self) -> None:
        """Unfold the form and go into it."""
        self.unfold_form()
        self.call_after_refresh(self.form_pane.enter)

    # ----- alone

    def action_zoom(self) -> None:
        here = self.pane_in_focus()
        if self.alone is not None:
            self.end_zoom()
        elif here is not None:
            self.alone = self.query_one(f"#{here}", Pane)
            for box in self.alone.ancestors_with_self:  # the boxes it lies in have to stay too
                if isinstance(box, Widget) and box is not self:
                    box.add_class("-zoomed", update=False)
            self.settle_panes()

    def end_zoom(self) -> None:
        self.alone = None
        for box in self.query(".-zoomed"):
            box.remove_class("-zoomed", update=False)
        self.settle_panes()
