"""A list of values for a field that takes a path, and a walk through folders to any other."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from tinv_tui.app.background import in_background
from tinv_tui.app.folder_reading import NO_ANSWER, READER, Entry
from tinv_tui.app.keys import bindings_of, hint
from tinv_tui.app.offer import Offer
from tinv_tui.app.path_completion import Takes
from tinv_tui.app.screens.pick import PickScreen
from tinv_tui.app.walk import Place, held_in_words, said_of, start_of
from tinv_tui.app.widgets.dialog_keys import DialogKeys
from tinv_tui.app.widgets.row_list import RowList
from tinv_tui.app.widgets.text_field import TextField
from tinv_tui.app.wording import Line, cells, column, cut_path
from tinv_tui.printable import printable

_HEIGHT, _WIDEST_NAME = 10, 34


class _Narrow(TextField):
    """Takes letters; other keys are those of the list below it. Backspace or left in an empty one go a folder up."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("walk")

    @dataclass
    class Left(Message):
        """There is nothing more to take back: out of the folder."""

    def action_delete_left(self) -> None:
        if self.value:
            super().action_delete_left()
        else:
            self.post_message(self.Left())

    def action_cursor_left(self, select: bool = False) -> None:
        if self.value:
            super().action_cursor_left(select)
        else:
            self.post_message(self.Left())


class PickPathScreen(PickScreen):
    """Answers with an offer, or with a path that was walked to. Without offers the walk begins at once."""

    def __init__(
        self, title: str, offers: Sequence[Offer], read: Callable[[], Sequence[Offer]], takes: Takes, text: str
    ) -> None:
        """``text`` is what the field says now: the walk begins there."""
        super().__init__(title, offers, read)
        self._takes = takes
        self._text = text
        self._place: Place | None = None
        self._facts: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content(self._title), classes="dialog-title")
            yield Static("", id="walk-folder", markup=False)
            yield _Narrow(id="walk-narrow", placeholder="type to narrow")
            yield RowList(id="values")
            yield DialogKeys(*self._hints)

    def _begin(self) -> None:
        self.query_one("#walk-folder").display = self.query_one("#walk-narrow").display = False
        if self._offers:
            super()._begin()
        else:
            self._walk()

    def _lines(self) -> list[Line]:
        if self._place is None:
            return [*super()._lines(), (("walk through folders …", "accent"),)]
        place, found = self._place, list[Line]()
        names = [printable(entry.name) + "/" * entry.is_folder for entry in place.entries]
        width = min(_WIDEST_NAME, max(map(cells, names), default=0))
        if place.can_be_taken:
            held = held_in_words(place.listing, self._takes)
            found.append((("take this folder", "accent"), (f"  {held}", "label")))
        for entry, name in zip(place.entries, names, strict=True):
            said = self._facts.get(place.path(entry), "") if entry.can_be_typed else "✖ no field can hold this name"
            found.append(((column(name, width), "value"), (f"  {said}", "label")))
        return found

    def _take(self, index: int) -> None:
        place = self._place
        if place is None and index < len(self._offers):
            super()._take(index)
        elif place is None:
            self._walk()
        elif index < place.can_be_taken:
            self.dismiss(place.folder)
        else:
            entry = place.entries[index - place.can_be_taken]
            if not entry.can_be_typed:
                self.app.bell()
            elif entry.is_folder:
                self._go(place.path(entry))
            else:
                self.dismiss(place.path(entry))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.rows.action_choose()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self._place is not None and event.value != self._place.narrowed:
            self._place = replace(self._place, narrowed=event.value)
            self.rows.go_to(0)
            self._show()

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        self._look()

    def action_move(self, by: int) -> None:
        self.rows.action_move(by)

    def action_move_page(self, by: int) -> None:
        self.rows.action_move_page(by)

    @on(_Narrow.Left)
    def _go_up(self) -> None:
        """To the folder above, with the cursor on the one that was left."""
        if self._place is not None:
            self._go(os.path.dirname(self._place.folder), left=os.path.basename(self._place.folder))

    async def action_read_again(self) -> None:
        if self._place is None:
            await super().action_read_again()
        else:
            self._facts.clear()
            self._go(self._place.folder)

    def _walk(self) -> None:
        """Begin where the field's text leads to."""
        narrow = self.query_one("#walk-narrow", _Narrow)
        narrow.display = self.query_one("#walk-folder").display = True
        narrow.focus()
        typed = (
            "type to narrow",
            "enter take / go in",
            "backspace up",
        )  # what a text field does itself has no other key
        self.query_one(DialogKeys).show(*typed, hint("pick.cancel"))
        self._go("")

    def _go(self, folder: str, left: str = "") -> None:
        in_background(self, self._show_folder(folder, left), group="walk", exclusive=True)

    async def _show_folder(self, folder: str, left: str) -> None:
        if not folder:
            start = await READER.ask(f"start {self._text}", lambda: start_of(self._text, Path.cwd()))
            folder = start or os.getcwd()
        self._place = Place(folder, self._takes, await READER.read(folder))
        self.query_one("#walk-narrow", _Narrow).value = ""
        self.query_one("#walk-folder", Static).update(Content(printable(cut_path(folder, 60))))
        names = [entry.name for entry in self._place.entries]
        self.rows.go_to(0)
        self._show()
        self.rows.go_to(names.index(left) + self._place.can_be_taken if left in names else 0)

    def _show(self) -> None:
        super()._show()
        if self._place is not None:
            self.rows.empty = (self._place.empty,)
            self.rows.styles.height = _HEIGHT
            self.rows.refresh()
            self._look()

    def _look(self) -> None:
        if self._place is not None:
            in_background(self, self._look_at(self._place), group="look", exclusive=True)

    async def _look_at(self, place: Place) -> None:
        """Find out what is in the rows around the cursor, one after the other, and say it."""
        await asyncio.sleep(0.05)  # while one holds a key down nothing is read
        first = max(0, self.rows.cursor - _HEIGHT)
        for entry in place.entries[first : first + 2 * _HEIGHT]:
            path = place.path(entry)
            if path not in self._facts and entry.can_be_typed:
                self._facts[path] = await self._said_of(path, entry)
                self.rows.show(self._lines())

    async def _said_of(self, path: str, entry: Entry) -> str:
        said: Any = await READER.ask(f"look {path}", lambda: said_of(path, entry.is_folder, self._takes))
        return NO_ANSWER if said is None else str(said)
