"""Asks for a file: where a recipe shall be written, or which one to read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.css.query import QueryType
from textual.widget import Widget
from textual.widgets import Input, Static

from tinv_tui.app.keys import bindings_of, hint
from tinv_tui.app.path_completion import FOLDER, Takes
from tinv_tui.app.screens.dialog import Dialog
from tinv_tui.app.widgets.dialog_keys import DialogKeys
from tinv_tui.app.widgets.path_field import PathField
from tinv_tui.printable import printable


class AskPathScreen(Dialog[Path | None]):
    """Answers with the path, absolute; a file that is there is replaced only after a second enter.

    With ``reads`` the file must be there, with ``folder`` too the folder.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("path")

    def __init__(
        self,
        suggestion: str,
        title: str = "Save the recipe",
        *,
        reads: bool = False,
        folder: bool = False,
        ending: str = ".toml",
    ) -> None:
        """``ending`` is that of the files which are offered while one types."""
        super().__init__()
        self._takes = FOLDER if folder else Takes((ending,), folders=False)
        self._folder = folder
        self._suggestion = suggestion
        self._title = title
        self._reads = reads
        self._warned_of: Path | None = None
        self._complained_of: str | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._title, classes="dialog-title", markup=False)
            yield Static(f"A path; relative ones start at {Path.cwd()}", classes="dialog-text", markup=False)
            yield PathField(self._takes, id="path")
            yield Static("", id="path-problem", markup=False)
            does = "take" if self._folder else "read" if self._reads else "save"
            yield DialogKeys(f"enter {does}", "tab complete", hint("path.cancel"))

    def on_mount(self) -> None:
        field = self.query_one("#path", PathField)
        field.value = self._suggestion
        field.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if not event.value.strip():
            self._complain(f"give a {'folder' if self._folder else 'file name'}")
            return
        path = Path(os.path.expanduser(event.value.strip())).absolute()
        if self._reads:
            if path.is_dir() if self._folder else path.is_file():
                self.dismiss(path)
            elif path.exists():
                self._complain(f"{path} is a {'file' if self._folder else 'folder'}")
            else:
                self._complain(f"there is no {'folder' if self._folder else 'file'} {path}")
        elif path.is_dir() or not path.parent.is_dir():
            self._complain(f"{path} is a folder" if path.is_dir() else f"there is no folder {path.parent}")
        elif path.exists() and self._warned_of != path:
            self._warned_of = path
            self._complain("it exists: enter once more replaces it")
        else:
            self.dismiss(path)

    def on_path_field_matched(self, event: PathField.Matched) -> None:
        event.stop()
        if event.field.value != self._complained_of:
            self.query_one("#path-problem", Static).update(Content(printable(event.said)))

    def _complain(self, text: str) -> None:
        self._complained_of = self.query_one("#path", PathField).value
        self.query_one("#path-problem", Static).update(Content(printable(f"✖ {text}")))

    def focus_next(self, selector: str | type[QueryType] = "*") -> Widget | None:
        """What tab does: with no other field to go to it completes, as in a shell."""
        field = self.query_one("#path", PathField)
        field.action_end()
        field.action_end()
        return field

    def action_cancel(self) -> None:
        self.dismiss(None)
