"""Create embedding: a name, and the words its vectors start from; what becomes of them shows while one types."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import Button
from textual.worker import Worker

from tinv_tui import paths
from tinv_tui.app import wording
from tinv_tui.app.background import in_background
from tinv_tui.app.creation_checks import ROWS, CheckedCreation, check_creation
from tinv_tui.app.embedding_notes import in_words, spans_of
from tinv_tui.app.form_values import Mark, key_of, short
from tinv_tui.app.keys import bindings, name_of
from tinv_tui.app.screens.fetch import model_is_here
from tinv_tui.app.screens.mode_screen import ModeScreen
from tinv_tui.app.widgets.form import Form
from tinv_tui.app.widgets.form_foot import FormFoot
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.pane import Pane
from tinv_tui.app.wording import Line
from tinv_tui.embeddings import library
from tinv_tui.embeddings.library import Entry
from tinv_tui.errors import InputError
from tinv_tui.models.tokenizer import CHUNK, tokenizer_for
from tinv_tui.printable import many
from tinv_tui.recipe import Recipe
from tinv_tui.runs.creation import Creation, create_embedding
from tinv_tui.runs.jobs import JobBroken
from tinv_tui.runs.suggestion import Suggestion, plan_suggestion, suggest

CreateForm = Form[CheckedCreation]
_TAKEN_OVER = ("embedding.name", "model.path", "dataset.path", "embedding.vectors", "embedding.init_text")
"""What the form starts from: the train screen's fields. The name, which may be taken, comes first."""


class CreateScreen(ModeScreen):
    BINDINGS: ClassVar[list[BindingType]] = bindings("create")

    def __init__(self) -> None:
        super().__init__("create")
        self._said: tuple[Mark, str] | None = None
        """The outcome of the last action; it stands while the fields say what they said then."""
        self._said_of: dict[str, str] = {}
        self._turn = 0
        self._asking: Worker[None] | None = None
        self._asked: Suggestion | None = None
        self._asked_at = 0.0
        self._waiting: Timer | None = None

    def compose_body(self) -> ComposeResult:
        with Horizontal(id="create-columns"):
            with Pane("Create embedding", id="create-pane"):
                yield CreateForm(ROWS, Recipe(), check_creation, CheckedCreation(), id="create-form")
                yield FormFoot(("suggest", "Suggest"), ("create-check", "Check"), ("make", "Create"), id="create-foot")
            with Vertical(id="create-beside"):
                with Pane("What it starts from", id="start-pane"):
                    yield Lines(id="start-lines")
                with Pane("Library", id="names-pane"):
                    yield Lines(id="names-lines")

    @property
    def form(self) -> CreateForm:
        return self.query_one(CreateForm)

    @property
    def foot(self) -> FormFoot:
        return self.query_one(FormFoot)

    @property
    def field_in_focus(self) -> str | None:
        return self.form.key_of(self.focused)

    @property
    def form_with_model(self) -> CreateForm:
        return self.form

    # ----- what comes in

    @on(events.Mount)
    def _take_over(self) -> None:
        texts = self.app.train_texts
        is_there = library.find(paths.embeddings_folder(), texts.get("embedding.name", "").strip()) is not None
        for key in _TAKEN_OVER[1:] if is_there else _TAKEN_OVER:  # a new one cannot have the name of one that is there
            if key in texts and texts[key] != self.form.texts[key]:  # what is put counts as typed
                self.form.put(key, texts[key])
        self.form.control("embedding.name").focus()

    @on(events.ScreenResume)
    def _look_again(self) -> None:
        for key in ("model.path", "dataset.path"):
            if not self.form.texts[key].strip() and self.app.train_texts.get(key):
                self.form.put(key, self.app.train_texts[key])
        if self._said is None:
            self.form.check_soon(0.01)

    @on(events.Resize)
    def _lay_out(self) -> None:
        self.call_after_refresh(lambda: self._show(self.form.checked))

    def on_form_was_checked(self, event: Form.WasChecked) -> None:
        if self._said_of != self.form.texts:
            self._said = None
        checked = self.form.checked
        if self._said is not None and self._said[0] == "✔":
            self.form.show_errors({})  # its name is taken by now, by itself
            checked = replace(checked, errors={})
        self._show(checked)

    def _show(self, checked: CheckedCreation) -> None:
        with self.app.batch_update():
            self.foot.show(checked, self._said)
            start = self.query_one("#start-lines", Lines)
            start.show(_start_lines(checked.creation, max(20, start.size.width)))
            self._show_names(checked.entries)

    def _show_names(self, entries: Sequence[Entry]) -> None:
        names = self.query_one("#names-lines", Lines)
        names.show([_name_line(entry, max(20, names.size.width)) for entry in entries])
        count = many(len(entries), "file") if entries else ""
        self.query_one("#names-pane", Pane).set_title("Library", count)

    def _say(self, mark: Mark, text: str) -> None:
        self._said, self._said_of = (mark, text), self.form.texts
        self.foot.show(self.form.checked, self._said)

    # ----- actions

    @on(Button.Pressed, "#create-check")
    async def action_check(self) -> None:
        self._said = None
        checked = await self.form.check_now(all_fields=True)
        self.form.focus_error(checked.errors)

    def action_choose(self) -> None:
        self.form.choose()

    @on(Button.Pressed, "#make")
    def action_create(self) -> None:
        """Write what the form says; what is wrong shows at its field, and nothing is written."""
        in_background(self, self._create(), group="create", exclusive=True)

    async def _create(self) -> None:
        self._said = None
        checked = await self.form.check_now(all_fields=True)
        if set(checked.errors) == {"model.path"} and await model_is_here(self.app, self.form.texts["model.path"]):
            checked = await self.form.check_now(all_fields=True)
        if checked.creation is None:
            self.form.focus_error(checked.errors)
            return
        creation = checked.creation
        self._say("~", f"making {creation.path.name} …")
        try:
            path = await create_embedding(creation)
        except InputError as error:
            key = key_of(error) or ""
            self.form.show_errors({key: short(error, key)})
            self._say("✖", f"not created. {error.message}")
        except OSError as error:
            self._say("✖", f"not created. {error}")
        else:
            self._made(creation, path)
            self._show_names(await asyncio.to_thread(library.read_all, path.parent))

    def _made(self, creation: Creation, path: Path) -> None:
        texts = self.form.texts
        train = self.app.train_form
        if train is not None:
            for key in _TAKEN_OVER:
                train.put(key, texts[key])
            train.put("embedding.name", creation.name)
            train.put("embedding.continue_from", "")
        self.app.control.note(f"created {path}", "good")
        self._say("✔", f"{path.name} is created and selected in Train")

    @on(Button.Pressed, "#suggest")
    def action_suggest(self) -> None:
        """Fill the init text with what a captioner says of one picture; once more takes the next picture."""
        if self._asking is not None:
            self.app.bell()
            return
        texts = self.form.texts
        try:
            asked = plan_suggestion(texts["dataset.path"], self._turn, texts["model.path"])
        except InputError as error:
            self._say("!", f"{error.message}. {error.hint}".strip())
            return
        self._turn += 1
        self._asking = in_background(self, self._suggest(asked), group="suggest")
        self._waiting = self.set_interval(1.0, self._say_waiting)
        self._asked, self._asked_at = asked, time.monotonic()
        self._say_waiting()

    def _say_waiting(self) -> None:
        if self._asked is not None:
            seconds = wording.duration(time.monotonic() - self._asked_at)
            self._say("~", f"{self._asked.captioner} looks at {self._asked.picture.name}, {seconds}; esc stops it")

    def _wait_no_more(self) -> None:
        """The answer is there, or nobody wants it any more: its process may still take a moment to end."""
        self._asking = self._asked = None
        if self._waiting is not None:
            self._waiting.stop()

    async def _suggest(self, asked: Suggestion) -> None:
        try:
            text = await suggest(asked)
        except InputError as error:
            self._wait_no_more()
            self._say("!", f"{error.message}. {error.hint}".strip())
        except JobBroken as error:
            self._wait_no_more()
            self._say("✖", f"no suggestion. {error}")
        else:
            self._wait_no_more()
            self.form.put("embedding.init_text", text)
            again = f"{name_of('create.suggest')} asks about the next picture"
            self._say("✔", f"{asked.captioner} on {asked.picture.name}; {again}")

    def on_key(self, event: events.Key) -> None:
        """Escape ends a suggestion, or steps out of the fields, to where letters are keys."""
        if event.key == "escape":
            if self._asking is not None:
                self._asking.cancel()
                self._wait_no_more()
                self._say("~", "the suggestion was stopped")
            else:
                self.set_focus(None)
                self.show_keys()
            event.stop()


def _start_lines(creation: Creation | None, width: int) -> list[Line]:
    """Every token beside the vectors it fills."""
    if creation is None:
        return [(("fill in a name and a base model", "label"),)]
    left = f"{CHUNK - creation.vectors} of {CHUNK} tokens of a prompt stay free"
    lines: list[Line] = [((wording.cut(left, width), "label"),), ()]
    if not creation.tokens:
        return [*lines, (("all vectors start at zero", "value"),)]
    try:
        words = tokenizer_for(creation.model.tokenizer_folder).words(creation.init_text)
    except InputError as error:  # the model is gone since it was checked
        return [*lines, ((error.message, "warning"),)]
    for token, first, last in spans_of(words, creation.vectors):
        vectors = f"vector {first}" if first == last else f"vectors {first}–{last}"
        lines.append(
            ((f"{wording.cut(token, width - 16):<{min(20, width - 16)}}", "value"), (f" → {vectors}", "label"))
        )
    return lines


def _name_line(entry: Entry, width: int) -> Line:
    if entry.embedding is None:
        return (("! ", "warning"), (wording.cut(f"{entry.path.name}: {entry.reason}", width - 2), "label"))
    room = max(10, width - 26)
    return ((wording.column(entry.name, room - 1) + " ", "value"), (in_words(entry.embedding), "label"))
