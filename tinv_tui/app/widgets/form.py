"""A form: settings of a recipe to fill in, checked while they are typed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input

from tinv_tui.app.background import in_background
from tinv_tui.app.edits import Edits, Filled
from tinv_tui.app.field_search import is_called, is_meant
from tinv_tui.app.fields import Rows, fields_of
from tinv_tui.app.form_values import Change, Checked, changes, read_fields, texts_of
from tinv_tui.app.widgets.controls import Choice, Tick
from tinv_tui.app.widgets.form_row import Control, FormRow
from tinv_tui.app.widgets.text_field import TextField
from tinv_tui.recipe import Recipe
from tinv_tui.schedule import Plan

_WAIT_SECONDS = 0.4
"""The form is checked when typing rests so long: half a number is no error yet."""

Outcome = TypeVar("Outcome", bound=Checked)


class Form(VerticalScroll, Generic[Outcome]):
    """The fields of ``rows``, filled in from a recipe; what the form does not show stays as it is there.

    ``check`` looks through what the fields say, in a thread: texts by key, the recipe below them, and the folder that
    relative paths start at. Mount a form once the first frame is on the screen: many widgets take a moment.
    """

    can_focus = False

    @dataclass
    class WasChecked(Message):
        """The form has been looked through; ``checked`` holds for what it said when typing rested."""

        form: Form[Any]
        checked: Checked

        @property
        def control(self) -> Form[Any]:
            return self.form

    def __init__(
        self,
        rows: Rows,
        recipe: Recipe,
        check: Callable[[dict[str, str], Recipe, Path], Outcome],
        unchecked: Outcome,
        *,
        id: str,
    ) -> None:
        """``unchecked`` is what is known before the first check."""
        super().__init__(id=id, classes="form")
        self.base = recipe
        self.fields = fields_of(rows)
        self._check_texts = check
        self._rows = [FormRow(fields) for fields in rows]
        self._row_of = {key: row for row in self._rows for key in row.controls}
        self._texts: dict[str, str] = {}
        self._edits = Edits()
        self._meant = list(self.fields)
        self._touched: set[str] = set()
        self._checked = unchecked
        self._waiting: Timer | None = None
        self._asked = 0

    def compose(self) -> ComposeResult:
        for row in self._rows:
            yield row
            if row.stairs is not None:
                yield row.stairs

    def on_mount(self) -> None:
        self._show(self.base)
        self.call_after_refresh(self.check_soon, 0.01)  # what checks takes a moment to import: the form is shown before

    def control(self, key: str) -> Control:
        return self._row_of[key].controls[key]

    def key_of(self, control: object) -> str | None:
        """The setting a focused control holds."""
        return next((k for row in self._rows for k, c in row.controls.items() if c is control), None)

    @property
    def texts(self) -> dict[str, str]:
        """What each field says, also when the message that it has changed is still on its way."""
        for row in self._rows:
            for key, control in row.controls.items():
                if isinstance(control, TextField):
                    self._texts[key] = control.value
        return dict(self._texts)

    @property
    def checked(self) -> Outcome:
        return self._checked

    def error_at(self, key: str) -> str:
        text, is_error = self._row_of[key].said
        return text if is_error else ""

    def note_at(self, key: str) -> str:
        text, is_error = self._row_of[key].said
        return "" if is_error else text

    def fill(self, recipe: Recipe) -> None:
        """Show a recipe, and keep what the form has no field for."""
        self._show(recipe)
        self.check_soon(0.01)

    def _show(self, recipe: Recipe) -> None:
        self.base = recipe
        self._touched.clear()
        self._texts = texts_of(recipe, self.fields)
        self._show_texts(self._texts)
        self._edits.keep(self._filled)

    def put(self, key: str, text: str) -> None:
        """Set one field, as if it had been typed."""
        self.put_all({key: text})

    def put_all(self, texts: Mapping[str, str]) -> None:
        """Set several fields, as if they had been typed."""
        self._texts |= texts
        self._show_texts(texts)
        self._touched |= texts.keys()
        self._edits.keep(self._filled)
        self.check_soon()

    def narrow(self, words: str) -> int:
        """Leave in sight the rows with a field that all the words mean; how many fields those are."""
        meant = [key for key, field in self.fields.items() if is_meant(field, words)]
        with self.app.batch_update():
            for row in self._rows:
                row.bring(into_sight=any(key in meant for key in row.controls))
        whole = words.strip().casefold()
        labels = {key: self.fields[key].label.casefold() for key in meant}
        self._meant = sorted(meant, key=lambda key: (labels[key] != whole, not is_called(self.fields[key], words)))
        return len(meant)

    def focus_first(self) -> bool:
        """Go to the first field that :meth:`narrow` has found; one that is called so comes before those whose help says it."""
        if self._meant:
            self.control(self._meant[0]).focus()
        return bool(self._meant)

    def go_to(self, key: str) -> None:
        """Bring a field into sight, narrowed or not, and the cursor to it."""
        self._row_of[key].bring(into_sight=True)
        self.control(key).focus()

    def undo(self) -> list[Change]:
        """Take back the last edit; what that changed."""
        self._edits.keep(Filled(self.base, self.texts))  # the message of the last letter may still be on its way
        return self._go_to(self._edits.undo())

    def redo(self) -> list[Change]:
        """Make again the edit that was taken back last; what that changed."""
        return self._go_to(self._edits.redo())

    def _go_to(self, state: Filled | None) -> list[Change]:
        if state is None:
            return []
        changed = changes(self.texts, state.texts, self.fields)
        self.base, self._texts = state.base, dict(state.texts)
        self._show_texts(state.texts)
        self._touched |= {change.key for change in changed}
        self.check_soon(0.01)
        if len(changed) == 1:
            self.go_to(changed[0].key)
        return changed

    @property
    def _filled(self) -> Filled:
        return Filled(self.base, dict(self._texts))

    def recipe(self) -> tuple[Recipe | None, dict[str, str]]:
        """The recipe the form says, or None and the error of each field that cannot be read."""
        return read_fields(self.texts, self.base, self.fields)

    def text_shown(self) -> None:
        """Called when a field says something else; for controls that only follow what fields say."""

    def option_chosen(self, key: str, value: str) -> None:
        """Called when a control that is no setting of its own was set."""

    def _show_texts(self, keys: Iterable[str]) -> None:
        with self.prevent(Input.Changed, Choice.Changed, Tick.Changed):
            for key in keys:
                self._show_text(key)
        self.text_shown()

    def _show_text(self, key: str) -> None:
        control, text = self.control(key), self._texts[key]
        if isinstance(control, Tick):
            control.set(text == "true")
        elif isinstance(control, Choice):
            control.choose(text)
        elif control.value != text:
            control.say(text)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._take(event.input, event.input.value)

    @on(events.DescendantBlur)
    def _field_left(self) -> None:
        self._edits.leave_field()

    @on(Tick.Changed)
    def _ticked(self, event: Tick.Changed) -> None:
        event.stop()
        self._take(event.tick, str(event.value).lower())

    @on(Choice.Changed)
    def _chosen(self, event: Choice.Changed) -> None:
        event.stop()
        self._take(event.choice, event.value)

    def _take(self, control: object, text: str) -> None:
        key = self.key_of(control)
        if key is not None and self.fields[key].options:
            self.option_chosen(key, text)
        elif key is not None:
            self._texts[key] = text
            self._touched.add(key)
            self.text_shown()
            self._edits.keep(self._filled, typed_in=key if isinstance(control, TextField) else "")
            self.check_soon()

    def choose(self) -> None:
        """Offer values for the field that has the focus."""
        key = self.key_of(self.screen.focused)
        if key is None or not (self.fields[key].lists or isinstance(self.control(key), TextField)):
            self.app.bell()
        else:
            from tinv_tui.app.widgets.form_offers import let_choose

            in_background(self, let_choose(self, key), group="choose", exclusive=True)

    def take_offer(self, key: str, value: str) -> None:
        """Called with the offer that was chosen for a field."""
        self.put(key, value)

    def check_soon(self, seconds: float = _WAIT_SECONDS) -> None:
        if self._waiting is not None:
            self._waiting.stop()
        self._waiting = self.set_timer(seconds, self._check)

    def _check(self) -> None:
        in_background(self, self.check_now(), group="check", exclusive=True)

    async def check_now(self, *, all_fields: bool = False) -> Outcome:
        """Check what the form says; with ``all_fields`` empty required fields that were never touched show as errors."""
        if all_fields:
            self._touched |= set(self._texts)
        self._asked += 1
        asked = self._asked
        _, errors = self.recipe()  # a field that cannot be read shows at once, however long the rest takes
        if errors:
            self.show_errors(errors)
        checked = await asyncio.to_thread(self._check_texts, self.texts, self.base, Path.cwd())
        if asked == self._asked:
            self._checked = checked
            self.show_errors(checked.errors, checked)
            self.post_message(self.WasChecked(self, checked))
        return checked

    def show_errors(self, errors: dict[str, str], checked: Checked | None = None) -> None:
        """Put each error at its field, and notes where there is none."""
        notes = (checked or self._checked).notes
        missing = (checked or self._checked).missing - self._touched
        for row in self._rows:
            error = next(((k, errors[k]) for k in row.controls if k in errors and k not in missing), None)
            if error is not None:
                several = len(row.fields) > 1
                label = next(f.name for f in row.fields if f.key == error[0])
                row.say(f"{label}: {error[1]}" if several else error[1], is_error=True)
            else:
                row.say(next((notes[k] for k in row.controls if notes.get(k)), ""))

    def draw_at(self, key: str, plan: Plan | None) -> None:
        """Draw a schedule below its field, or with None nothing."""
        stairs = self._row_of[key].stairs
        if stairs is not None:
            stairs.draw(plan)

    def first_wrong(self, errors: Mapping[str, str]) -> str | None:
        """The key of the first field with an error."""
        return next((key for key in self._row_of if key in errors), None)

    def focus_error(self, errors: Mapping[str, str]) -> None:
        """Go to the first field with an error."""
        key = self.first_wrong(errors)
        if key is not None:
            self.go_to(key)
