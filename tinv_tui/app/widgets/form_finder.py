"""A line above a form that narrows it to the fields one is looking for."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Static

from tinv_tui.app.keys import bindings_of
from tinv_tui.app.widgets.form import Form
from tinv_tui.app.widgets.text_field import TextField


class FormFinder(Horizontal):
    """Out of sight until :meth:`open`. Escape, here or in the form, brings all fields back, and the focus to where it was."""

    DEFAULT_CSS = """
    FormFinder { height: 1; display: none; }
    FormFinder.-open { display: block; }
    FormFinder Static { width: auto; color: $foreground-muted; }
    FormFinder TextField { width: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings_of("finder")

    def __init__(self, form: Form[Any]) -> None:
        super().__init__(id="form-finder")
        self._form = form
        self._came_from: Widget | None = None
        self._words = TextField(id="form-find", placeholder="words of a field or its help")
        self._found = Static(id="form-found", markup=False)

    def compose(self) -> ComposeResult:
        yield Static("/ ", markup=False)
        yield self._words
        yield self._found

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    def open(self) -> None:
        if not self.is_open:
            self._came_from = self.screen.focused
            self.add_class("-open")
        self._words.focus()

    def action_close(self) -> None:
        """Bring all fields back. The focus stays in a field that was found."""
        if not self.is_open:
            return
        here = self.screen.focused
        self.remove_class("-open")
        self._words.value = ""
        self._narrow()
        if here is None or here is self._words:
            self.screen.set_focus(self._came_from)
        else:
            self.call_after_refresh(self._form.scroll_to_widget, here, animate=False)

    @on(Input.Submitted)
    def _go_on(self, event: Input.Submitted) -> None:
        event.stop()
        if not self._form.focus_first():
            self.app.bell()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._narrow()

    def _narrow(self) -> None:
        count = self._form.narrow(self._words.value)
        self._found.update(
            "" if not self._words.value.strip() else f" {count} found" if count else " none  esc for all"
        )
