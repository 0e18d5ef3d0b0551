"""One row of the form: its fields side by side, and a line below for what there is to say about them."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from tinv_tui.app.fields import Field
from tinv_tui.app.keys import with_keys
from tinv_tui.app.path_completion import TAKES
from tinv_tui.app.widgets.controls import Choice, Tick
from tinv_tui.app.widgets.path_field import PathField
from tinv_tui.app.widgets.stairs import Stairs
from tinv_tui.app.widgets.text_field import TextField
from tinv_tui.recipe import field_of

Control = TextField | Choice | Tick
_OUT = "-out-of-sight"


def control_id(key: str) -> str:
    return "field-" + key.replace(".", "-").replace("_", "-")


def _choices(key: str) -> tuple[str, ...]:
    choices = getattr(field_of(key).annotation, "__args__", ())
    return tuple(choices) if choices and all(isinstance(choice, str) for choice in choices) else ()


def make_control(field: Field) -> Control:
    """The control that fits what the setting holds."""
    identity = control_id(field.key)
    if field.options:
        return Choice(field.options, id=identity)
    if isinstance(field_of(field.key).default, bool):
        return Tick(field.label, id=identity)
    choices = _choices(field.key)
    if choices and not field.lists:
        return Choice([(choice, field.words.get(choice, choice)) for choice in choices], id=identity)
    if field.key in TAKES:
        return PathField(TAKES[field.key], id=identity, placeholder=with_keys(field.placeholder))
    return TextField(id=identity, placeholder=with_keys(field.placeholder))


class FormRow(Horizontal):
    """Holds the controls of a row by key. What is below it lies beside it in the form, as each container costs when an app
    starts: its stairs from the start, its note once there is something to say.
    """

    DEFAULT_CSS = "FormRow { height: 1; }"

    def __init__(self, fields: tuple[Field, ...]) -> None:
        super().__init__()
        self.fields = fields
        self.controls: dict[str, Control] = {field.key: make_control(field) for field in fields}
        self._note: Static | None = None
        self._beside = Static(classes="form-beside", markup=False)
        self._said = ("", False)
        self._matches = ""
        self.stairs = Stairs() if any(field.draws for field in fields) else None

    def compose(self) -> ComposeResult:
        for position, field in enumerate(self.fields):
            yield from self._cell(field, position)
        if self._has_beside:
            yield self._beside

    @property
    def _has_beside(self) -> bool:
        """Whether there is room for a note in the row itself."""
        return len(self.fields) == 1 and bool(self.fields[0].width)

    def _cell(self, field: Field, position: int) -> ComposeResult:
        control = self.controls[field.key]
        if not isinstance(control, Tick):
            label = Static(field.label, classes="form-label" if position == 0 else "form-label-next", markup=False)
            yield label
        if field.width and not isinstance(control, Tick):
            control.styles.width = field.width
        yield control
        if field.lists:
            yield Static("▾", classes="form-more", markup=False)

    def say(self, text: str, *, is_error: bool = False) -> None:
        """Show a note, or an error, or with "" nothing."""
        if (text, is_error) == self._said:
            return
        self._said = (text, is_error)
        self._show_note()

    @on(PathField.Matched)
    def _show_matches(self, event: PathField.Matched) -> None:
        """While a path is typed what it may become stands in place of what is wrong with half of it."""
        event.stop()
        if event.said != self._matches:
            self._matches = event.said
            self._show_note()

    def _show_note(self) -> None:
        text, is_error = (self._matches, False) if self._matches else self._said
        if self._has_beside:
            self._beside.update(Content("" if is_error else text))
        below = "" if self._has_beside and not is_error else text
        if below and self._note is None and isinstance(self.parent, Widget):
            self._note = Static(classes="form-note", markup=False)
            self._note.set_class(not self.is_in_sight, _OUT)
            self.parent.mount(self._note, after=self.stairs or self)
        if self._note is not None:
            self._note.update(Content(f"✖ {below}" if is_error else below))
            self._note.set_class(is_error, "-error")
            self._note.set_class(bool(below), "-said")

    @property
    def is_in_sight(self) -> bool:
        return not self.has_class(_OUT)

    def bring(self, *, into_sight: bool) -> None:
        """Show the row with what is below it, or hide both."""
        for widget in (self, self.stairs, self._note):
            if widget is not None:
                widget.set_class(not into_sight, _OUT)

    @property
    def said(self) -> tuple[str, bool]:
        """The text shown, and whether it is an error."""
        return self._said
