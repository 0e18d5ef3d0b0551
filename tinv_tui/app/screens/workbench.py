"""The home screen: form, dataset, loss, GPU, newest preview and log, all in sight; in a small terminal behind tabs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.geometry import Size

from tinv_tui.app.keys import bindings, name_of
from tinv_tui.app.screens.folding import FOLDING, FORM, FoldingScreen
from tinv_tui.app.widgets.dataset_pane import DatasetPane
from tinv_tui.app.widgets.form_pane import FormPane
from tinv_tui.app.widgets.gpu_pane import GpuPane
from tinv_tui.app.widgets.log_pane import LogPane
from tinv_tui.app.widgets.loss_pane import LossPane
from tinv_tui.app.widgets.preview_pane import PreviewPane
from tinv_tui.app.widgets.tab_line import TABS, TabLine
from tinv_tui.app.wording import state_piece

if TYPE_CHECKING:
    from tinv_tui.app.machine import MachineNow
    from tinv_tui.app.watcher import RunNow
    from tinv_tui.app.widgets.form import Form
    from tinv_tui.app.widgets.recipe_form import RecipeForm

_TABS_OF = dict(zip(FOLDING, (("form",), ("dataset",), ("loss",), ("gpu",), ("loss",), ("log", "loss")), strict=True))
"""Of each pane, those it can be seen on, first where it is whole."""


class Workbench(FoldingScreen):
    BINDINGS: ClassVar[list[BindingType]] = bindings("train")

    def __init__(self) -> None:
        super().__init__("train")
        self._tab = "form"
        self.set_class(True, "-tab-form", update=False)  # from the start, so that it is not styled twice

    def compose_body(self) -> ComposeResult:
        yield TabLine()
        with Horizontal(id="columns"):
            yield FormPane()
            yield DatasetPane()
            with Vertical(id="watch-column"):
                yield LossPane()
                yield GpuPane()
                yield PreviewPane()
        yield LogPane()

    # ----- parts

    @property
    def form(self) -> RecipeForm:
        return self.form_pane.form

    @property
    def dataset(self) -> DatasetPane:
        return self.query_one(DatasetPane)

    @property
    def loss(self) -> LossPane:
        return self.query_one(LossPane)

    @property
    def gpu(self) -> GpuPane:
        return self.query_one(GpuPane)

    @property
    def preview(self) -> PreviewPane:
        return self.query_one(PreviewPane)

    @property
    def log_pane(self) -> LogPane:
        return self.query_one(LogPane)

    @property
    def tab_line(self) -> TabLine:
        return self.query_one(TabLine)

    # ----- what comes in

    def show_run(self, now: RunNow | None) -> None:
        was_on = self._run_on
        super().show_run(now)
        if self._run_on != was_on and self.form_pane.is_furnished:
            self.form.check_soon()  # what it differs from, how long that takes, and who trains here, is another now
        with self.app.batch_update():
            self.loss.show(now)
            self.preview.show(now)
            told = list(now.view.log) if now is not None else []
            self.log_pane.show(sorted([*told, *self.app.control.notes], key=lambda line: line.at))
            if self.app.machine_now is not None:
                self.gpu.show(self.app.machine_now, now)
            self._show_tabs()
            self.show_keys()

    def show_machine(self, machine: MachineNow) -> None:
        with self.app.batch_update():
            self.gpu.show(machine, self.app.control.now)
            super().show_machine(machine)

    def on_form_was_checked(self, event: Form.WasChecked) -> None:
        self.form_pane.foot.show(event.checked)
        self.form_pane.tell_changes()
        self.form_pane.sum_up(self.app.control.now)
        self.dataset.show(self.form.checked, self.form.texts["dataset.path"])

    @on(DatasetPane.FilesChanged)
    def _look_again(self) -> None:
        self.form.check_soon(0.01)

    @on(DatasetPane.ToPreprocess)
    def _preprocess(self) -> None:
        self.app.preprocess(self.form.texts["dataset.path"])

    @on(DatasetPane.LeftOut)
    def _leave_out(self, event: DatasetPane.LeftOut) -> None:
        """Put it into the form, or take it from there: what a run leaves out is in its recipe."""
        from tinv_tui.app.form_values import text_of, value_of

        key = "dataset.exclude"
        names = [name for name in value_of(key, self.form.texts[key]) if name != event.name]
        is_out = event.name not in value_of(key, self.form.texts[key])
        self.form.put(key, text_of(sorted([*names, event.name]) if is_out else names))
        self.form.check_soon(0.01)
        back = f"{name_of('dataset.exclude')} takes it back"
        said = f"is left out of the next run; {back}" if is_out else "is trained on again"
        self.app.control.note(f"{event.name} {said}")

    # ----- size, tabs, focus

    def on_mount(self) -> None:
        self._settle()

    def fit(self, size: Size, *, update: bool = True) -> None:
        here, showed_tabs = self.pane_in_focus(), self._shows_tabs
        super().fit(size, update=update)
        if here is not None and self._shows_tabs and not showed_tabs and self._tab not in _TABS_OF[here]:
            self.open_tab(_TABS_OF[here][0])  # where somebody works stays in sight

    @property
    def _shows_tabs(self) -> bool:
        return self.has_class("-tabs") and not self.has_class("-tiny")

    def open_tab(self, tab: str) -> None:
        """Bring a tab to the front; where all panes are in sight this only remembers it."""
        self._tab = tab
        self._settle()
        if self.has_class("-tabs") and self.app.app_focus:
            self.call_after_refresh(self._keep_focus_in_sight)

    def _keep_focus_in_sight(self) -> None:
        """A pane whose tab was left does not hear keys any more: nobody would see what they do."""
        if self.focused not in self.focus_chain:  # by its styles: what was only just opened has no region yet
            self.set_focus(self.tab_line)  # at once: who comes next may give the focus to a pane

    @on(TabLine.Chosen)
    def _tab_chosen(self, event: TabLine.Chosen) -> None:
        self.open_tab(event.tab)

    def _settle(self) -> None:
        self.wear({f"-tab-{tab}": tab == self._tab for tab in TABS})
        self._show_tabs()
        self.show_keys()

    def _show_tabs(self) -> None:
        now = self.app.control.now
        self.tab_line.tell(self._tab, *([(f"{now.name} ", "value"), state_piece(now.state)] if now is not None else []))

    @property
    def _stops(self) -> dict[str, tuple[str, str]]:
        """The panes ctrl+g goes through, as they lie on the screen: the tab each is on, and a selector."""
        field = "#form-find" if self.form_pane.is_narrowed else "#field-embedding-name"
        selectors = {FORM: "#form-pane" if self.is_folded(FORM) else field, "dataset-pane": "#pictures"}
        stops = {pane: (_TABS_OF[pane][0], selectors.get(pane, f"#{pane}")) for pane in FOLDING}
        if self.has_class("-tabs"):  # tab by tab: the preview shares that of the loss
            stops = dict(sorted(stops.items(), key=lambda stop: [*TABS].index(stop[1][0])))
        return stops

    def action_next_pane(self) -> None:
        stops, here = self._stops, self.pane_in_focus()
        at = [*stops].index(here) if here in stops else -1
        if here is None and self._shows_tabs:  # on the line of tabs: the tab in sight is the one that was left
            at = max(n for n, (tab, _) in enumerate(stops.values()) if tab == self._tab)
        was_alone = self.alone is not None
        if was_alone:
            self.end_zoom()
        tab, selector = [*stops.values()][(at + 1) % len(stops)]
        target = next(iter(self.query(selector)), None)
        if target is None:
            return
        if was_alone or self.has_class("-tabs"):
            self.open_tab(tab)
            self.call_after_refresh(self.set_focus, target)  # it has first to come into sight
        else:
            self.set_focus(target)

    def on_key(self, event: events.Key) -> None:
        """Escape brings all fields back, and then steps out of the form, to where letters are keys."""
        if event.key != "escape" or self.pane_in_focus() != FORM:
            return
        if not self.form_pane.show_all():
            self.leave_form()
            (self.tab_line if self.has_class("-tabs") else self.loss).focus()
        event.stop()

    # ----- actions

    @property
    def field_in_focus(self) -> str | None:
        key = self.form_pane.field_in_focus
        return "dataset.template" if key == "subject-or-style" else key

    @property
    def form_with_model(self) -> RecipeForm | None:
        return self.form if self.form_pane.is_furnished else None

    async def action_start(self) -> None:
        self.unfold_form()  # what is started should be in sight
        await self.form_pane.start()

    @on(FormPane.Started)
    def focus_run(self) -> None:
        """Look at the run: its letters are keys there."""
        if self.alone not in (None, self.loss):
            self.end_zoom()
        self.open_tab("loss")
        self.call_after_refresh(self.loss.focus)

    @on(FormPane.Refused)
    def _refused(self, event: FormPane.Refused) -> None:
        self.open_form()
        self.call_after_refresh(self.form.focus_error, event.errors)

    def open_form(self) -> None:
        """Bring the whole form into sight."""
        if self.alone not in (None, self.form_pane):
            self.end_zoom()
        self.unfold_form()
        self.open_tab("form")

    def action_undo(self) -> None:
        self.open_form()
        super().action_undo()

    def action_redo(self) -> None:
        self.open_form()
        super().action_redo()

    async def action_check(self) -> None:
        self.open_form()
        await self.form_pane.check()

    def action_choose(self) -> None:
        self.form_pane.choose()

    async def action_edit_template(self) -> None:
        self.open_form()
        await self.form_pane.edit_template()

    async def action_probe(self) -> None:
        self.open_form()
        await self.form_pane.probe()

    async def action_save_recipe(self) -> None:
        self.open_form()
        await self.form_pane.save_recipe()

    def action_load_recipe(self) -> None:
        self.open_form()
        self.form_pane.load_recipe()

    def action_find_field(self) -> None:
        self.open_form()
        self.form_pane.find()

    async def action_changed(self) -> None:
        self.open_form()
        await self.form_pane.show_changes()

    def action_presets(self) -> None:
        self.open_form()
        self.form_pane.offer_presets()

    def action_demo(self) -> None:
        self.open_form()
        self.form_pane.offer_demos()

    async def action_try(self) -> None:
        """Ask for a prompt, and draw with the embedding of the run or of the form."""
        from tinv_tui.app.screens.try_it import TryScreen
        from tinv_tui.app.trial import find_trial

        if not self.form_pane.is_furnished:
            return
        run = self.app.control.now.folder if self.app.control.now is not None else None
        trial = await asyncio.to_thread(find_trial, run, self.form.recipe()[0] or self.form.base)
        if trial is None:
            self.app.control.note("there is no finished embedding to try yet, or no base model in the form", "warning")
            return
        self.app.push_screen(TryScreen(trial))
