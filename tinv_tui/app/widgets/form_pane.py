"""The pane with the form: what can be done with a filled-in form is done here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Button

from tinv_tui.app.ask_for_room import ask_where_memory_is_short
from tinv_tui.app.background import in_background
from tinv_tui.app.keys import bindings, name_of
from tinv_tui.app.screens.confirm import CANCEL, ConfirmScreen
from tinv_tui.app.widgets.form_summary import FormSummary
from tinv_tui.app.widgets.pane import Pane

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp
    from tinv_tui.app.draft import DraftKeeper
    from tinv_tui.app.watcher import RunNow
    from tinv_tui.app.widgets.form_finder import FormFinder
    from tinv_tui.app.widgets.form_foot import FormFoot
    from tinv_tui.app.widgets.recipe_form import RecipeForm
    from tinv_tui.recipe import Recipe


class FormPane(Pane):
    """An empty frame until :meth:`furnish`. Its messages say how a start went."""

    app: TinvApp
    BINDINGS: ClassVar[list[BindingType]] = bindings("train", "form-pane")

    class Started(Message):
        """A run was started from the form."""

    @dataclass
    class Refused(Message):
        """The form has errors, which show at their fields; nothing was started."""

        errors: dict[str, str]

    class Wanted(Message):
        """The folded form shall be opened, to be filled in."""

    def __init__(self) -> None:
        super().__init__("Train", id="form-pane")
        self._form: RecipeForm | None = None
        self._foot: FormFoot | None = None
        self._finder: FormFinder | None = None
        self._draft: DraftKeeper | None = None
        self._starting = False

    def compose(self) -> ComposeResult:
        yield FormSummary()

    @property
    def form(self) -> RecipeForm:
        assert self._form is not None
        return self._form

    @property
    def foot(self) -> FormFoot:
        assert self._foot is not None
        return self._foot

    @property
    def is_furnished(self) -> bool:
        return self._form is not None and self._form.is_mounted

    @property
    def field_in_focus(self) -> str | None:
        """The setting whose control has the focus."""
        return self.form.key_of(self.screen.focused) if self.is_furnished else None

    async def furnish(self, recipe: Recipe) -> None:
        """Put the form in. It is not there in the first frame: its widgets and pydantic take 0.3 s."""
        from tinv_tui.app.draft import DraftKeeper
        from tinv_tui.app.widgets.form_finder import FormFinder
        from tinv_tui.app.widgets.form_foot import FormFoot
        from tinv_tui.app.widgets.recipe_form import RecipeForm

        self._form = RecipeForm(recipe)
        self._foot = FormFoot(("check", "Check"), ("save-recipe", "Save recipe"), ("start", "Start"), id="form-foot")
        self._finder = FormFinder(self._form)
        await self.mount(self._finder, self._form, self._foot)
        self._draft = DraftKeeper(self._form)

    async def restore(self) -> None:
        """Fill the form in as it was left, where it said then what no run had."""
        if self._draft is not None and await self._draft.restore():
            self.app.control.note(f"the form is as it was left; {name_of('form.undo')} takes that back")

    def on_form_was_checked(self) -> None:
        if self._draft is not None:
            in_background(self, self._draft.keep(), group="draft")

    def on_unmount(self) -> None:
        if self._draft is not None:
            self._draft.leave()

    def sum_up(self, now: RunNow | None) -> None:
        """Tell in a few lines what the run trains; without one, what the form says."""
        if now is not None and now.is_live and now.recipe is not None:
            self.query_one(FormSummary).tell(f"{now.name} trains", now.recipe)
        elif self.is_furnished:
            self.query_one(FormSummary).tell("the form says", self.form.checked.recipe or self.form.base)

    @property
    def idle_keys(self) -> frozenset[str]:
        return frozenset() if self.has_focus else frozenset({"form.unfold"})

    def action_unfold(self) -> None:
        if self.can_focus:  # folded: in the form enter belongs to its fields, and many have no use for it
            self.post_message(self.Wanted())

    @on(events.Click)
    def _clicked(self) -> None:
        if self.can_focus:
            self.post_message(self.Wanted())

    def enter(self) -> None:
        """Go to where filling in begins."""
        if self.is_narrowed:
            self.find()
        elif self.is_furnished:
            self.form.control("embedding.name").focus()

    def find(self) -> None:
        """Narrow the form to the fields one is looking for."""
        if self._finder is not None:
            self._finder.open()

    def show_all(self) -> bool:
        """Bring all fields back; whether some were out of sight."""
        is_narrowed = self.is_narrowed
        if self._finder is not None:
            self._finder.action_close()
        return is_narrowed

    @property
    def is_narrowed(self) -> bool:
        return self._finder is not None and self._finder.is_open

    @on(Button.Pressed, "#start")
    async def start(self) -> None:
        """Start what the form says; asks first where a run is alive already."""
        if not self.is_furnished or self._starting:
            return
        recipe, errors = self.form.recipe()
        if recipe is None:
            await self.form.check_now(all_fields=True)
            self._refuse(errors)
            return
        now = self.app.control.now
        if now is None or not now.is_live:
            self.start_now()
            return
        question = f"{now.name} is {now.state}. Start another run beside it?"
        explanation = "Both share the machine, and each takes longer."

        def answered(answer: str | None) -> None:
            if answer == "start-another":
                self.start_now()

        self.app.push_screen(ConfirmScreen(question, explanation, [("start-another", "Start another")]), answered)

    def start_now(self) -> None:
        """Check everything once more and start; what is wrong shows at its field, and nothing is created."""
        if not self._starting:
            self._starting = True
            in_background(self, self._start(), group="start", exclusive=True)

    async def _start(self) -> None:
        from tinv_tui.app.form_values import key_of, short
        from tinv_tui.app.screens.fetch import model_is_here
        from tinv_tui.errors import InputError

        try:
            checked = await self.form.check_now(all_fields=True)
            if set(checked.errors) == {"model.path"} and await model_is_here(self.app, self.form.texts["model.path"]):
                checked = await self.form.check_now(all_fields=True)
            if checked.recipe is None or checked.errors:
                self._refuse(checked.errors)
                return
            answer = await ask_where_memory_is_short(self.app, checked.need)
            if answer == CANCEL:
                return
            wanted = checked.need.peak_bytes if checked.need is not None and answer == "wait" else 0
            await self.app.control.start(checked.recipe, wanted)
            if self._draft is not None:
                self._draft.settle()
            self.post_message(self.Started())
        except InputError as error:
            key = key_of(error)
            self._refuse({key or "": short(error, key)})
        except OSError as error:
            self._refuse({"": str(error)})
        finally:
            self._starting = False

    def _refuse(self, errors: dict[str, str]) -> None:
        self.post_message(self.Refused(errors))
        self.form.show_errors(self.form.checked.errors | errors)
        key = self.form.first_wrong(errors)
        said = f"{key}: {errors[key]}" if key else next(iter(errors.values()), "the form is not complete")
        self.app.control.note(f"not started. {said}", "bad")

    @on(Button.Pressed, "#check")
    async def check(self) -> None:
        """Check now, and go to the first error."""
        if self.is_furnished:
            checked = await self.form.check_now(all_fields=True)
            self.form.focus_error(checked.errors)

    async def probe(self) -> None:
        """Offer to measure what the form says; its foot then tells time and memory by it."""
        from tinv_tui.app.probe_form import probe

        if self.is_furnished:
            await probe(self.app, self.form)

    def choose(self) -> None:
        """Offer values for the field that has the focus."""
        if self.is_furnished:
            self.form.choose()

    async def edit_template(self) -> None:
        """Open the template the form names, or the user's copy of it, in an editor."""
        from tinv_tui.app.edit_template import edit_template

        if self.is_furnished:
            await edit_template(self.app, self.form)

    def on_recipe_form_all_taken_back(self, event: RecipeForm.AllTakenBack) -> None:
        said = f"what was left out of {event.folder} is not left out of this dataset"
        self.app.control.note(f"{said}; {name_of('form.undo')} takes that back")

    def on_recipe_form_picture_wanted(self) -> None:
        self.ask_for_preview()

    def ask_for_preview(self) -> None:
        """Ask for a picture made by A1111 or Forge, and fill in the preview's fields as its text says."""
        from tinv_tui.app.preview_from_picture import ask_for_picture

        if self.is_furnished:
            ask_for_picture(self.app, self.form)

    def tell_changes(self) -> None:
        """Say in the frame how many fields have changed since the last run."""
        since = self.form.checked.since
        self.set_title("Train", since.in_words if since is not None else "")

    async def show_changes(self) -> None:
        """List what has changed since the last run; the one that is chosen is put back."""
        from tinv_tui.app.screens.changed import ChangedScreen

        since = (await self.form.check_now()).since if self.is_furnished else None
        if since is None:
            self.app.control.note("there was no run yet that the form could differ from")
            return

        def chosen(key: str | None) -> None:
            if key is not None:
                self.form.put(key, since.texts[key])
                self.form.go_to(key)

        self.app.push_screen(ChangedScreen(since), chosen)

    def offer_presets(self) -> None:
        """Let a preset be chosen by what it would change, and fill its values in."""
        from tinv_tui.app.fill_in import offer_presets

        if self.is_furnished:
            offer_presets(self.app, self.form)

    def offer_demos(self) -> None:
        """Let one of the bundled sets be chosen, and fill the form in for it."""
        from tinv_tui.app.fill_in import offer_demos

        if self.is_furnished:
            offer_demos(self.app, self.form)

    @on(Button.Pressed, "#save-recipe")
    async def save_recipe(self) -> None:
        """Ask where the recipe shall be written, and write it."""
        from tinv_tui.app.recipe_files import ask_where_to_save

        if not self.is_furnished:
            return
        recipe, errors = self.form.recipe()
        if recipe is None:
            await self.form.check_now()
            self.form.focus_error(errors)
            return
        ask_where_to_save(self.app, recipe)

    def load_recipe(self) -> None:
        """Ask for a recipe file, and fill the form in from it."""
        from tinv_tui.app.recipe_files import ask_what_to_load

        if self.is_furnished:
            ask_what_to_load(self.app, self.form)
