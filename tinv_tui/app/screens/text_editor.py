"""What the editors of a caption and of a template share: a page of text, below it what it becomes, and a way out."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual import on
from textual.widgets import TextArea

from tinv_tui.app.keys import name_of
from tinv_tui.app.screens.dialog import Dialog
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.text_field import TextPage

Answer = TypeVar("Answer")


class TextEditor(Dialog[Answer | None]):
    """A screen with one :class:`TextPage` and one :class:`Lines` for the sample. Answers None where nothing was kept."""

    LEAVE: ClassVar[str]
    """The id of the key that leaves: with changes it has to be pressed twice."""

    def __init__(self) -> None:
        super().__init__()
        self._warned = False
        self.problem = ""
        """What stands against keeping or leaving it, until the text is another."""

    @property
    def editor(self) -> TextArea:
        return self.query_one(TextPage)

    @property
    def sample(self) -> Lines:
        return self.query_one(Lines)

    @property
    def is_changed(self) -> bool:
        """Whether leaving would lose something."""
        raise NotImplementedError

    def show_sample(self) -> None:
        """Show what the text becomes, and before it the problem, if there is one."""
        raise NotImplementedError

    def warn(self, problem: str) -> None:
        self.problem = problem
        self.show_sample()

    def on_resize(self) -> None:
        self.call_after_refresh(self.show_sample)

    @on(TextArea.Changed)
    def _changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self._warned, self.problem = False, ""
        self.show_sample()

    def action_leave(self) -> None:
        if self.is_changed and not self._warned:
            self._warned = True
            self.warn(f"changed and not kept: {name_of(self.LEAVE)} once more leaves all the same")
            return
        self.dismiss(None)
