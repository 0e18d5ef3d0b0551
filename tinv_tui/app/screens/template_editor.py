"""Edits a template in the user's folder; what a picture's prompt becomes is shown while it is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static, TextArea

from tinv_tui.app.keys import bindings_of, hint
from tinv_tui.app.screens.text_editor import TextEditor
from tinv_tui.app.widgets.dialog_keys import DialogKeys
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.text_field import TextPage
from tinv_tui.app.wording import Line, Piece
from tinv_tui.datasets.own_templates import OwnTemplate, save_own
from tinv_tui.datasets.templates import NAME, check_lines
from tinv_tui.errors import InputError
from tinv_tui.printable import wrapped

if TYPE_CHECKING:
    from tinv_tui.app.checked_recipe import CheckedRecipe


class TemplateEditor(TextEditor[str]):
    """Answers with the template's name once it is kept. One that does not hold is not: the reason is shown."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("template")
    LEAVE = "template.leave"

    def __init__(self, template: OwnTemplate, checked: CheckedRecipe) -> None:
        """``checked`` lends the samples their pictures' captions, the name and the count of tokens."""
        super().__init__()
        self._template = template
        self._prompts = checked.prompts
        good = [picture for picture in checked.pictures or () if picture.problem is None]
        self._picture = next((picture for picture in good if picture.caption), good[0] if good else None)

    def compose(self) -> ComposeResult:
        copy = " (a copy, written when it is kept)" if self._template.is_new else ""
        with Vertical(classes="dialog", id="template-dialog"):
            yield Static(f"Template {self._template.name}", classes="dialog-title", markup=False)
            yield Static(f"{self._template.path}{copy}", id="template-path", markup=False)
            yield TextPage(self._template.text, id="template-text")
            yield Lines(id="template-sample")
            yield DialogKeys(hint("template.keep"), "ctrl+z undo", hint("template.leave"))

    def on_mount(self) -> None:
        self.editor.focus()

    @on(TextArea.SelectionChanged)
    def _moved(self, event: TextArea.SelectionChanged) -> None:
        event.stop()
        self.show_sample()

    @property
    def is_changed(self) -> bool:
        return self.editor.text != self._template.text

    def show_sample(self) -> None:
        """What is wrong with the text, and what the line of the cursor becomes."""
        width = max(20, self.sample.size.width)
        verdict, role = (f"✖ {self.problem}", "bad") if self.problem else self._verdict()
        lines: list[Line] = [((row, role),) for row in _rows(verdict, width)]
        line = " ".join(self.editor.document.get_line(self.editor.cursor_location[0]).split())
        if not line:
            lines.append((("a blank line is left out", "label"),))
        elif self._prompts is not None:
            prompt, tokens = self._prompts.fill(line, self._picture.caption if self._picture is not None else None)
            of = f" {self._picture.path.name}:" if self._picture is not None else ""
            count = f" ({tokens} tokens)" if tokens is not None else ""
            lines += [((row, ""),) for row in _rows(f"→{of} {prompt}{count}", width)]
        self.sample.show(lines)

    def _verdict(self) -> Piece:
        try:
            held = check_lines(self.editor.text, self._template.path)
        except InputError as error:
            return f"! {_reason(error, self._template)}", "warning"
        twice = sum(line.count(NAME) > 1 for line in held)
        if twice:
            return f"! {twice} of {len(held)} lines say [name] more than once: it takes its tokens each time", "warning"
        return f"✔ {len(held)} lines, each with [name]", "good"

    def action_keep(self) -> None:
        try:
            save_own(self._template, self.editor.text)
        except InputError as error:
            self.warn(f"not kept: {_reason(error, self._template)}")
            return
        self.dismiss(self._template.name)


def _reason(error: InputError, template: OwnTemplate) -> str:
    return f"{error.message.removeprefix(f'dataset.template: {template.path}: ')}. {error.hint}"


def _rows(text: str, width: int) -> list[str]:
    return wrapped(text, width, most=2)
