"""Preprocess images: a form, what it would write, and the job that writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Button, Input

from tinv_tui.app import wording
from tinv_tui.app.background import in_background
from tinv_tui.app.keys import bindings
from tinv_tui.app.preprocess_checks import CheckedPreprocess, check_preprocess, with_captioner
from tinv_tui.app.preprocess_fields import DESTINATION, PREPROCESS_ROWS, SOURCE
from tinv_tui.app.screens.confirm import ConfirmScreen
from tinv_tui.app.screens.mode_screen import ModeScreen
from tinv_tui.app.widgets.form import Form
from tinv_tui.app.widgets.form_foot import FormFoot
from tinv_tui.app.widgets.job_pane import JobPane
from tinv_tui.app.widgets.pane import Pane
from tinv_tui.app.widgets.row_list import RowList
from tinv_tui.app.wording import Line
from tinv_tui.printable import many
from tinv_tui.recipe import Recipe
from tinv_tui.runs.jobs import Job, JobBroken, JobCancelled
from tinv_tui.sections import ModelSection

if TYPE_CHECKING:
    from tinv_tui.sections import PreprocessSection

PreprocessForm = Form[CheckedPreprocess]
_WHAT_STAYS = "What is written stays, each picture whole and with its caption. The rest is not made."


class PreprocessScreen(ModeScreen):
    BINDINGS: ClassVar[list[BindingType]] = bindings("preprocess")

    def __init__(self) -> None:
        super().__init__("preprocess")
        self._job: Job | None = None
        self._source = ""
        """What to fill in as soon as the form is there."""
        self._is_furnished = False
        self._typed = ""
        """What was typed before there was a field to type in."""
        self._starting = False

    def compose_body(self) -> ComposeResult:
        with Horizontal(id="preprocess-columns"):
            yield Pane("Preprocess images", id="preprocess-pane")
            with Pane("What will be written", id="written-pane"):
                yield RowList(id="written-rows")
        yield JobPane("Job", id="preprocess-job")

    async def on_mount(self) -> None:
        """The form follows the first frame: its widgets take a moment."""
        self.call_after_refresh(self._furnish)

    async def _furnish(self) -> None:
        base = with_captioner(self._with_base_model(Recipe()))
        form = PreprocessForm(PREPROCESS_ROWS, base, check_preprocess, CheckedPreprocess(), id="preprocess-form")
        foot = FormFoot(("preprocess-check", "Check"), ("preprocess-start", "Preprocess"), id="preprocess-foot")
        await self.query_one("#preprocess-pane").mount(form, foot)
        self._is_furnished = True
        self.set_focus(form.control(SOURCE))
        self._put_source()
        self._put_typed()

    def take_source(self, folder: str) -> None:
        """Fill in the source; the destination is asked for."""
        self._source = folder
        if self.is_furnished:
            self._put_source()

    def _put_source(self) -> None:
        if self._source:
            self.form.put(SOURCE, self._source)
            if self.form.texts[DESTINATION].strip().rstrip("/") == self._source.rstrip("/"):
                self.form.put(DESTINATION, "")  # that of the job before, whose pictures are the source now
            self.set_focus(self.form.control(DESTINATION))
            self._source = ""

    def _put_typed(self) -> None:
        if isinstance(self.focused, Input) and self._typed:
            self.focused.insert_text_at_cursor(self._typed)
            self._typed = ""

    def _with_base_model(self, recipe: Recipe) -> Recipe:
        """With the base model that stands in the train form."""
        train = self.app.train_form
        path = train.texts["model.path"] if train is not None else ""
        return recipe.model_copy(update={"model": ModelSection(path=path)})

    # ----- parts

    @property
    def is_furnished(self) -> bool:
        return self._is_furnished

    @property
    def form(self) -> PreprocessForm:
        return self.query_one("#preprocess-form", Form)

    @property
    def job_pane(self) -> JobPane:
        return self.query_one(JobPane)

    @property
    def field_in_focus(self) -> str | None:
        return self.form.key_of(self.focused) if self.is_furnished else None

    @property
    def leaving_ends(self) -> tuple[str, str] | None:
        return ("Leave, and stop preprocessing?", _WHAT_STAYS) if self._job is not None else None

    # ----- what comes in

    def on_screen_resume(self) -> None:
        """The base model of the train form decides which captions suit."""
        if self.is_furnished:
            self.form.base = self._with_base_model(self.form.base)
            self.form.check_soon()

    def on_form_was_checked(self, event: Form.WasChecked) -> None:
        self.query_one(FormFoot).show(event.checked)
        self._show_plan()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_plan)

    def _show_plan(self) -> None:
        if not self.is_furnished:
            return
        plan, pane = self.form.checked.plan, self.query_one("#written-pane", Pane)
        rows = self.query_one("#written-rows", RowList)
        if plan is None:
            pane.set_title("What will be written")
            rows.show([(("nothing yet: fill in the form", "label"),)])
            return
        width, lines = max(20, rows.size.width - 2), list[Line]()
        for picture in plan.pictures:
            caption = "  + caption" if plan.has_caption(picture) else ""
            for name in picture.names:
                shown = wording.cut(f"{name}.png", width - len(caption))
                lines.append(((shown, ""), (caption, "good")))
        lines += [
            ((wording.cut(gone.file.name, width // 2), "label"), (f"  skipped: {gone.reason}", "warning"))
            for gone in plan.skipped
        ]
        rows.show(lines)
        there = f"{plan.replaced} of them are there already" if plan.replaced else "nothing is written yet"
        if self._job is not None:
            there = "they are being written"
        pane.set_title(
            f"What will be written  {wording.cut_path(str(plan.destination), max(12, width - 26))}",
            f"{many(len(plan.names), 'picture')} · {len(plan.skipped)} skipped · {there}",
        )

    # ----- keys

    def on_key(self, event: events.Key) -> None:
        """Escape steps out of the form, to where letters are keys. What is typed before the form is there goes into it.

        A letter that comes here while a field has the focus was pressed before it had: a field keeps its letters.
        """
        if event.is_printable and event.character and (not self.is_furnished or isinstance(self.focused, Input)):
            self._typed += event.character
            self._put_typed()
            event.stop()
        elif event.key == "escape" and self.pane_in_focus() == "preprocess-pane":
            (self.job_pane if self.has_class("-used") else self.query_one("#written-rows")).focus()
            event.stop()

    def action_choose(self) -> None:
        if self.is_furnished:
            self.form.choose()

    @on(Button.Pressed, "#preprocess-check")
    async def action_check(self) -> None:
        if self.is_furnished:
            checked = await self.form.check_now(all_fields=True)
            self.form.focus_error(checked.errors)

    @on(Button.Pressed, "#preprocess-start")
    def action_start(self) -> None:
        """Check once more and start; asks first where the destination holds something."""
        if self.is_furnished and self._job is None and not self._starting:
            self._starting = True
            in_background(self, self._start(), group="preprocess")

    def action_stop(self) -> None:
        if self._job is None:
            return
        job = self._job
        question = "Stop preprocessing?"

        def answered(answer: str | None) -> None:
            if answer == "cancel-job":
                in_background(self, job.cancel(), group="preprocess-cancel")

        self.app.push_screen(ConfirmScreen(question, _WHAT_STAYS, [("cancel-job", "Stop")]), answered)

    async def _start(self) -> None:
        try:
            checked = await self.form.check_now(all_fields=True)
            if checked.recipe is None or checked.errors or checked.plan is None:
                self.form.focus_error(checked.errors)
                return
            section = checked.recipe.preprocess
            if checked.held and not section.into_existing:
                if not await self._confirmed(checked):
                    return
                section = section.model_copy(update={"into_existing": True})
            await self._work(section, checked.recipe.model.path)
        finally:
            self._starting = False

    async def _confirmed(self, checked: CheckedPreprocess) -> bool:
        from tinv_tui.datasets.preprocess import in_the_way  # with Pillow

        assert checked.plan is not None
        question = f"{checked.plan.destination} holds {many(checked.held, 'file')}. Write there all the same?"
        explanation = f"{in_the_way(checked.plan) or 'None of them is a picture'}."
        screen = ConfirmScreen(question, explanation, [("write-there", "Write there")])
        return await self.app.push_screen_wait(screen) == "write-there"

    # ----- the job

    async def _work(self, section: PreprocessSection, base_model: str) -> None:
        from tinv_tui.errors import InputError

        self.add_class("-used")
        pane = self.job_pane
        pane.begin()
        self._job = await Job.start("preprocess", section=section.model_dump(), base_model=base_model)
        self.call_after_refresh(pane.focus)
        self.show_keys()
        written = 0
        try:
            async for news in self._job.progress():
                written += len(news["written"])
                self._tell(news)
            assert self._job.result is not None
            done = self._job.result
            pane.tell(f"✔ {many(written, 'picture')} written in {wording.duration(done['seconds'])}", "good")
            self._fill_train(section)
        except JobCancelled:
            pane.tell(f"■ cancelled; {many(written, 'picture')} written, each whole", "warning")
        except InputError as error:
            pane.tell(f"✖ {error.message}. {error.hint}", "bad")
        except JobBroken as error:
            pane.tell(f"✖ the job broke: {error}", "bad")
        finally:
            self._job = None
            pane.end()
            self.show_keys()
            self.form.check_soon()

    def _tell(self, news: dict[str, Any]) -> None:
        for gone in news["skipped"]:
            self.job_pane.tell(f"skipped {gone['file'].rpartition('/')[2]}: {gone['reason']}", "warning")
        self.job_pane.progress(news["done"], news["total"], news["rate"])

    def _fill_train(self, section: PreprocessSection) -> None:
        """What was made is what will be trained on."""
        train = self.app.train_form
        if train is None:
            return
        train.put("dataset.path", section.destination)
        if not (section.keep_size or section.auto_crop):
            train.put("dataset.width", str(section.width))
            train.put("dataset.height", str(section.height))
        self.job_pane.tell("destination and size are filled in on the train screen (1)", "label")
