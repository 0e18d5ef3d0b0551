"""The form: a recipe to fill in, checked while it is typed."""

from __future__ import annotations

import asyncio
import textwrap
from dataclasses import dataclass
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Button, Input

from tinv_tui.app.checks import Checked, Mark, check_form, read_fields, texts_of
from tinv_tui.app.fields import KIND, ROWS
from tinv_tui.app.widgets.controls import Choice, Tick
from tinv_tui.app.widgets.form_row import Control, FormRow
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.text_field import TextField
from tinv_tui.app.wording import Line
from tinv_tui.recipe import Recipe

_WAIT_SECONDS = 0.4
"""The form is checked when typing rests so long: half a number is no error yet."""
_ROLES = {"✔": "good", "!": "warning", "✖": "bad", "~": "label"}


class Form(VerticalScroll):
    """The fields. Mounted once the first frame is on the screen: some fifty widgets take a moment."""

    can_focus = False

    @dataclass
    class WasChecked(Message):
        """The form has been looked through; ``checked`` holds for what it said when typing rested."""

        checked: Checked

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(id="form")
        self.base = recipe
        self._rows = [FormRow(fields) for fields in ROWS]
        self._row_of = {key: row for row in self._rows for key in row.controls}
        self._texts: dict[str, str] = {}
        self._touched: set[str] = set()
        self._checked = Checked()
        self._waiting: Timer | None = None
        self._asked = 0

    def compose(self) -> ComposeResult:
        yield from self._rows

    def on_mount(self) -> None:
        self.fill(self.base)

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
    def checked(self) -> Checked:
        return self._checked

    def error_at(self, key: str) -> str:
        text, is_error = self._row_of[key].said
        return text if is_error else ""

    def fill(self, recipe: Recipe) -> None:
        """Show a recipe, and keep what the form has no field for."""
        self.base = recipe
        self._touched.clear()
        self._texts = texts_of(recipe)
        with self.prevent(Input.Changed, Choice.Changed, Tick.Changed):
            for key in self._texts:
                self._show_text(key)
        self._show_kind()
        self.check_soon(0.01)

    def put(self, key: str, text: str) -> None:
        """Set one field, as if it had been typed."""
        self._texts[key] = text
        with self.prevent(Input.Changed):
            self._show_text(key)
        self._changed(key)

    def recipe(self) -> tuple[Recipe | None, dict[str, str]]:
        """The recipe the form says, or None and the error of each field that cannot be read."""
        return read_fields(self.texts, self.base)

    def _show_text(self, key: str) -> None:
        control, text = self.control(key), self._texts[key]
        if isinstance(control, Tick):
            control.set(text == "true")
        elif isinstance(control, Choice):
            control.choose(text)
        else:
            control.value = text

    def _show_kind(self) -> None:
        kind = self.control(KIND)
        assert isinstance(kind, Choice)
        word = self._texts["dataset.template"].partition("_")[0]
        kind.choose(word if word in ("subject", "style") else None)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._take(event.input, event.value)

    @on(Tick.Changed)
    def _ticked(self, event: Tick.Changed) -> None:
        event.stop()
        self._take(event.tick, str(event.value).lower())

    @on(Choice.Changed)
    def _chosen(self, event: Choice.Changed) -> None:
        event.stop()
        if event.choice.id == KIND:
            had_captions = self._texts["dataset.template"] in ("subject_filewords", "style_filewords")
            other = self._texts["dataset.template"] not in ("subject", "style")
            self.put("dataset.template", f"{event.value}_filewords" if had_captions or other else event.value)
        else:
            self._take(event.choice, event.value)

    def _take(self, control: object, text: str) -> None:
        key = self.key_of(control)
        if key is not None:
            self._texts[key] = text
            self._changed(key)

    def _changed(self, key: str) -> None:
        self._touched.add(key)
        if key == "dataset.template":
            self._show_kind()
        self.check_soon()

    def check_soon(self, seconds: float = _WAIT_SECONDS) -> None:
        if self._waiting is not None:
            self._waiting.stop()
        self._waiting = self.set_timer(seconds, self._check)

    def _check(self) -> None:
        self.run_worker(self.check_now(), group="check", exclusive=True, exit_on_error=False)

    async def check_now(self, *, all_fields: bool = False) -> Checked:
        """Check what the form says; with ``all_fields`` empty required fields that were never touched show as errors."""
        if all_fields:
            self._touched |= set(self._texts)
        self._asked += 1
        asked = self._asked
        _, errors = self.recipe()  # a field that cannot be read shows at once, however large the dataset is
        if errors:
            self.show_errors(errors)
        checked = await asyncio.to_thread(check_form, self.texts, self.base, Path.cwd())
        if asked == self._asked:
            self._checked = checked
            self.show_errors(checked.errors, checked)
            self.post_message(self.WasChecked(checked))
        return checked

    def show_errors(self, errors: dict[str, str], checked: Checked | None = None) -> None:
        """Put each error at its field, and notes where there is none."""
        notes = (checked or self._checked).notes
        missing = (checked or self._checked).missing - self._touched
        for row in self._rows:
            error = next(((k, errors[k]) for k in row.controls if k in errors and k not in missing), None)
            if error is not None:
                several = len(row.fields) > 1
                label = next(f.label for f in row.fields if f.key == error[0])
                row.say(f"{label}: {error[1]}" if several else error[1], is_error=True)
            else:
                row.say(next((notes[k] for k in row.controls if notes.get(k)), ""))

    def focus_error(self, errors: dict[str, str]) -> str | None:
        """Go to the first field with an error; its key."""
        key = next((k for k in self._row_of if k in errors), None)
        if key is not None:
            self.control(key).focus()
        return key


class FormFoot(Vertical):
    """Below the fields: what the checks say, and the buttons."""

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="checks-box", can_focus=False):
            yield Lines(id="checks")
        with Horizontal(id="buttons"):
            yield Button("Check", id="check", compact=True)
            yield Button("Save recipe", id="save-recipe", compact=True)
            yield Button("Start", id="start", compact=True, variant="primary")

    def show(self, checked: Checked) -> None:
        """Facts side by side where they are short, most telling first."""
        lines = self.query_one("#checks", Lines)
        width = max(20, lines.size.width)
        facts: list[tuple[Mark, str]] = [(mark, text) for mark, text in checked.facts if mark != "!"]
        facts += [(mark, text) for mark, text in checked.facts if mark == "!"]
        wrong = [key for key in checked.errors if key and key not in checked.missing]
        if wrong:
            facts = [("✖", f"{len(wrong)} field{'s' if len(wrong) > 1 else ''} to put right")]
        elif checked.missing:
            facts = [("~", f"still to fill in: {', '.join(sorted(k.partition('.')[0] for k in checked.missing))}")]
        shown: list[Line] = []
        for mark, text in facts:
            first, *more = textwrap.wrap(text, width - 2, max_lines=3, placeholder=" …") or [""]
            piece = ((f"{mark} ", _ROLES[mark]), (first, ""))
            used = sum(len(t) for t, _ in shown[-1]) if shown else width
            if not more and used + 2 + len(first) + 2 <= width:
                shown[-1] = (*shown[-1], ("  ", ""), *piece)
            else:
                shown.append(piece)
            shown += [(("  ", ""), (row, "")) for row in more]
        lines.show(shown)
