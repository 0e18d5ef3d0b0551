"""Edits the caption of a picture, the picture beside it; the prompt it becomes is shown while it is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from tinv_tui.app.keys import bindings_of, hint
from tinv_tui.app.link import draws_pictures
from tinv_tui.app.screens.text_editor import TextEditor
from tinv_tui.app.widgets.dialog_keys import DialogKeys
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.picture import Picture
from tinv_tui.app.widgets.text_field import TextPage
from tinv_tui.app.wording import Line, tokens_piece
from tinv_tui.datasets.caption_files import CaptionFile, save_caption
from tinv_tui.datasets.captions import tidy
from tinv_tui.errors import InputError
from tinv_tui.printable import printable, wrapped

if TYPE_CHECKING:
    from tinv_tui.app.checks import PromptMaker

Outcome = Literal["kept", "next"]


class CaptionEditor(TextEditor[Outcome]):
    """Answers once the caption is written, with "next" where the next picture is wanted; None where nothing was."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("caption")
    LEAVE = "caption.leave"

    def __init__(self, caption: CaptionFile, prompts: PromptMaker | None, index: int) -> None:
        """``index`` is the picture's place in the dataset, which decides the template line of the sample."""
        super().__init__()
        self._caption = caption
        self._prompts = prompts
        self._index = index
        self._changed_outside = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="caption-dialog"):
            yield Static(printable(f"Caption of {self._caption.picture.name}"), classes="dialog-title", markup=False)
            yield Static(printable(self._where()), id="caption-path", markup=False)
            with Horizontal(id="caption-parts"):
                if draws_pictures(self.app):
                    yield Picture(id="caption-picture")
                yield TextPage(self._caption.text, id="caption-text")
            yield Lines(id="caption-sample")
            yield DialogKeys(hint("caption.keep"), hint("caption.next"), hint("caption.help"), hint("caption.leave"))

    def _where(self) -> str:
        caption = self._caption
        said = caption.path.name
        if caption.held is None:
            said += " (new" + (", from the file's name)" if caption.text else ")")
        if caption.shared_with:
            said += f", also the caption of {', '.join(caption.shared_with)}"
        return said

    def on_mount(self) -> None:
        for picture in self.query(Picture):
            picture.show(self._caption.picture)
        self.editor.move_cursor(self.editor.document.end)
        self.editor.focus()

    @property
    def is_changed(self) -> bool:
        return self.editor.text.strip() != self._caption.text

    def show_sample(self) -> None:
        """What stands against keeping it, the count of tokens, and the prompt as the trainer will see it."""
        width = max(20, self.sample.size.width)
        lines: list[Line] = [((row, "bad"),) for row in wrapped(f"✖ {self.problem}", width)] if self.problem else []
        caption = tidy(self.editor.text)
        if self._prompts is not None:
            prompt, tokens = self._prompts.sample(self._index, caption)
            if tokens is not None:
                lines.append((tokens_piece(tokens),))
            room = self.sample.size.height - len(lines)
            rows = wrapped(f"→ {prompt}", width, most=max(1, room))
            lines += [((row, ""),) for row in rows]
        elif not caption:
            lines.append((("no caption", "label"),))
        self.sample.show(lines)

    def action_keep(self, outcome: Outcome) -> None:
        text = self.editor.text
        if text.strip() == self._caption.text and (self._caption.held is not None or not text.strip()):
            self.dismiss(outcome if outcome == "next" else None)  # there is nothing to write
            return
        try:
            save_caption(self._caption, text, over_changes=self._changed_outside)
        except InputError as error:
            self._changed_outside = error.code == "caption-changed"
            again = "; keep it once more to replace that." if self._changed_outside else f". {error.hint}"
            self.warn(f"not kept: {error.message}{again}")
            return
        self.dismiss(outcome)
