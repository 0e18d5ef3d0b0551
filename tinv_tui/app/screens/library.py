"""The library: every embedding file with what it holds, or why it cannot be used; enter takes one to the train screen."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container

from tinv_tui import paths
from tinv_tui.app import wording
from tinv_tui.app.keys import bindings, name_of
from tinv_tui.app.screens.mode_screen import ModeScreen
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.pane import Pane
from tinv_tui.app.widgets.row_list import RowList
from tinv_tui.app.wording import DASH, Line
from tinv_tui.embeddings import library
from tinv_tui.embeddings.files import Embedding
from tinv_tui.embeddings.library import Entry
from tinv_tui.embeddings.shelves import read_shelves
from tinv_tui.errors import InputError
from tinv_tui.models.identify import identify
from tinv_tui.printable import wrapped


@dataclass(frozen=True)
class Row:
    entry: Entry
    reason: str
    """Why it cannot be trained on the base model of the train screen; "" when it can."""


class LibraryScreen(ModeScreen):
    BINDINGS: ClassVar[list[BindingType]] = bindings("library")
    AUTO_FOCUS = "#library-rows"

    def __init__(self) -> None:
        super().__init__("library")
        self._rows: tuple[Row, ...] = ()
        self._problem = ""
        """What is wrong with the settings, and hides the further folders they name."""

    def compose_body(self) -> ComposeResult:
        with Container(id="library-parts"):
            with Pane("Library", id="library-list"):
                yield Lines(id="library-head")
                empty = (
                    "no embeddings yet",
                    f"every run leaves its own here; {name_of('app.create')} makes one to train",
                    f"{name_of('app.models')}, then {name_of('models.add')} lists those of another folder",
                )
                yield RowList(id="library-rows", empty=empty)
            with Pane("", id="library-detail"):
                yield Lines(id="library-facts")

    @property
    def rows(self) -> RowList:
        return self.query_one("#library-rows", RowList)

    @property
    def facts(self) -> Lines:
        return self.query_one("#library-facts", Lines)

    @property
    def chosen(self) -> Row | None:
        return self._rows[self.rows.cursor] if self._rows else None

    @on(events.ScreenResume)
    async def action_refresh(self) -> None:
        """Read the library again."""
        rows, problem = await asyncio.to_thread(_read_rows, self.app.train_texts.get("model.path", ""))
        self._problem = problem
        here = self.chosen.entry.path if self.chosen is not None else None
        self._rows = rows
        self._show()
        self.rows.go_to(next((i for i, row in enumerate(rows) if row.entry.path == here), self.rows.cursor))

    @on(events.Resize)
    def _lay_out(self) -> None:
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        with self.app.batch_update():
            width = max(40, self.rows.size.width)
            problem = ((wording.cut(f"! {self._problem}", width), "warning"),)
            self.query_one("#library-head", Lines).show([problem if self._problem else _head(width)])
            self.rows.show([_line(row, width) for row in self._rows])
            good = sum(not row.reason for row in self._rows)
            title = f"Library  {wording.cut_path(str(paths.embeddings_folder()), 40)}"
            count = f"{good} to train · {len(self._rows) - good} not" if self._rows else ""
            self.query_one("#library-list", Pane).set_title(title, count)
            self._show_facts()

    def on_row_list_moved(self) -> None:
        self._show_facts()

    def _show_facts(self) -> None:
        row, pane = self.chosen, self.query_one("#library-detail", Pane)
        pane.set_title(row.entry.path.name if row is not None else "")
        self.facts.show(_facts(row, max(20, self.facts.size.width)) if row is not None else ())

    def on_row_list_chosen(self) -> None:
        self.action_use()

    def action_use(self) -> None:
        """Take the embedding to the train screen: one at step 0 to train it, another to go on from it."""
        row = self.chosen
        if row is None or row.reason or row.entry.embedding is None:
            self.app.bell()
            return
        name = row.entry.name
        is_new = row.entry.embedding.step == 0 and row.entry.to_continue == name
        before = "" if is_new else row.entry.to_continue
        vectors = str(row.entry.embedding.count)
        train = self.app.train_form
        if train is not None:
            train.put("embedding.name", name)
            train.put("embedding.continue_from", before)
            train.put("embedding.vectors", vectors)
            self.app.show_form()


def _read_rows(model_path: str) -> tuple[tuple[Row, ...], str]:
    """The rows, and what is wrong with the settings."""
    try:
        model = identify(model_path, Path.cwd()) if model_path.strip() else None
    except InputError:
        model = None
    try:
        entries, problem = read_shelves(), ""
    except InputError as error:  # the settings are wrong: the library is still there
        entries, problem = library.read_all(paths.embeddings_folder()), f"{error.message}. {error.hint}"
    rows = []
    for entry in entries:
        reason = entry.reason
        if entry.embedding is not None and model is not None and not reason:
            reason = library.misfit(entry.embedding, model)
        rows.append(Row(entry, reason))
    return tuple(rows), problem


def _name_width(width: int) -> int:
    return min(30, max(12, width - 52))


def _head(width: int) -> Line:
    return ((f"  {'name':<{_name_width(width)}}{'shape':<10}{'family':<7}{'step':>9}  {'norms':<11}{'date'}", "label"),)


def _line(row: Row, width: int) -> Line:
    room, held = _name_width(width), row.entry.embedding
    if held is None or row.reason:
        name = row.entry.path.name if held is None else row.entry.name
        reason = wording.cut(f"! {row.reason}", width - room - 2)
        return ((wording.column(name, room - 1) + " ", "label"), (reason, "warning"))
    step = DASH if held.step is None else wording.count(held.step)
    return (
        (wording.column(row.entry.name, room - 1) + " ", "value"),
        (f"{_shape(held):<10}{_family(held):<7}{step:>9}  ", ""),
        (f"{_norms_in_short(held):<11}{row.entry.day}", "label"),
    )


def _shape(held: Embedding) -> str:
    return f"{held.count}×{'+'.join(str(rows.shape[1]) for rows in held.vectors.values())}"


def _family(held: Embedding) -> str:
    return held.family or held.details.get("family", DASH)


def _norms_in_short(held: Embedding) -> str:
    low, high = min(held.norms, default=0.0), max(held.norms, default=0.0)
    return f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f}–{high:.2f}"


def _facts(row: Row, width: int) -> list[Line]:
    """What inspect says of the file, and what enter does."""
    lines: list[Line] = []
    held = row.entry.embedding
    if row.reason:
        lines += [((text, "warning"),) for text in wrapped(f"cannot be trained: {row.reason}", width)]
    if held is not None:
        pairs = [
            ("shape", _shape(held)),
            ("family", _family(held)),
            ("step", DASH if held.step is None else str(held.step)),
        ]
        lines += wording.flow([*pairs, ("base model", held.base_model or DASH), ("format", held.format)], width)
        norms = " ".join(f"{norm:.2f}" for norm in held.norms)
        lines += [((text, ""),) for text in wrapped(f"norms {norms}", width, most=3)]
        if held.name != row.entry.name:
            lines += wording.flow([("called", held.name), ("in the file, but used as", row.entry.name)], width)
        lines += _details(held, width)
    if row.entry.path.parent != paths.embeddings_folder():
        lines += [(("in ", "label"), (wording.cut_path(str(row.entry.path.parent), width - 3), "value"))]
    lines += wording.flow([("date", row.entry.modified.strftime("%Y-%m-%d %H:%M"))], width)
    if held is not None and not row.reason:
        is_new = held.step == 0 and row.entry.to_continue == row.entry.name
        does = f"{name_of('library.use')} takes it to Train{'' if is_new else ', to go on from it'}"
        lines += [(), ((does, "label"),)]
    return lines


def _details(held: Embedding, width: int) -> list[Line]:
    """What else the file tells of itself: short things side by side, then the long ones."""
    told = [(key.replace("_", " "), value) for key, value in sorted(held.details.items()) if key != "family"]
    short = [(key, value) for key, value in told if len(key) + 1 + len(value) <= width]
    lines = wording.flow(short, width) if short else []
    for key, value in told:
        if (key, value) not in short:
            first, *more = wrapped(f"{key} {value}", width, most=4)
            lines += [((key, "label"), (first.removeprefix(key), "value")), *(((text, "value"),) for text in more)]
    return lines
