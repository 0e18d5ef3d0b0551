"""The base models of this machine, to take one into a form: what each is, or why it cannot be trained on."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static
from textual.worker import Worker

from tinv_tui.app import wording
from tinv_tui.app.background import in_background
from tinv_tui.app.keys import bindings_of, hint, with_keys
from tinv_tui.app.screens.dialog import Dialog
from tinv_tui.app.widgets.dialog_keys import DialogKeys
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.row_list import RowList
from tinv_tui.app.widgets.text_field import TextField
from tinv_tui.app.wording import Line, Piece
from tinv_tui.errors import InputError
from tinv_tui.models.hub import looks_like_hub_id
from tinv_tui.printable import wrapped

if TYPE_CHECKING:
    from tinv_tui.models.browse import ModelEntry

_ONLY_OURS = (
    "Models of yours: {models.add} names a folder of them, or of A1111, Forge or ComfyUI; "
    "owner/name typed here fetches one."
)
_SHOWN_EVERY_SECONDS = 0.5


class FindField(TextField):
    """What is typed narrows the list; the arrows walk through it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of(
        "models", "models.down", "models.up", "models.page_down", "models.page_up"
    )


class ModelsScreen(Dialog[str | None]):
    """Answers with what ``model.path`` shall say."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of(
        "models", "models.hash", "models.add", "models.again", "models.help", "models.leave"
    )

    def __init__(self, chosen: str = "") -> None:
        """``chosen`` is what the form says now; the cursor starts there."""
        super().__init__()
        self._chosen = chosen
        self._entries: tuple[ModelEntry, ...] = ()
        self._rows: tuple[ModelEntry, ...] = ()
        self._problem = ""
        self._is_read = False
        self._hashing: Worker[None] | None = None
        self._left = threading.Event()

    def compose(self) -> ComposeResult:
        with Vertical(id="models-dialog", classes="dialog"):
            yield Static("Base models", id="models-title", classes="dialog-title", markup=False)
            with Horizontal(id="models-find-row"):
                yield Static("Find", id="models-find-label", markup=False)
                yield FindField(id="models-find", placeholder="name, family or folder; or a hub id")
            yield Lines(id="models-head")
            yield RowList(id="models-rows")
            yield Lines(id="models-words")
            yield DialogKeys(*_hints(hashing=False))

    @property
    def rows(self) -> RowList:
        return self.query_one("#models-rows", RowList)

    @property
    def find(self) -> FindField:
        return self.query_one("#models-find", FindField)

    @property
    def marked(self) -> ModelEntry | None:
        return self._rows[self.rows.cursor] if self._rows else None

    def on_mount(self) -> None:
        self.find.focus()
        self.action_read_again()

    def on_unmount(self) -> None:
        self._left.set()

    # ----- what there is

    def action_read_again(self) -> None:
        in_background(self, self._read(), group="read", exclusive=True)

    async def _read(self) -> None:
        from tinv_tui.models.browse import list_models

        here = self.marked.value if self.marked is not None else self._chosen
        try:
            listing = await asyncio.to_thread(list_models)
        except InputError as error:
            self._entries, self._problem = (), f"✖ {error.message}. {error.hint}"
        else:
            self._entries, self._problem = listing.entries, "".join(f"! {note}" for note in listing.notes[:1])
        self._is_read = True
        self._narrow(here)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._narrow(self.marked.value if self.marked is not None else "")

    def _narrow(self, here: str) -> None:
        words = self.find.value.lower().split()
        self._rows = tuple(e for e in self._entries if all(word in _searched(e) for word in words))
        self._show()
        self.rows.go_to(next((i for i, entry in enumerate(self._rows) if here in (entry.value, str(entry.path))), 0))
        self._show_words()

    @on(events.Resize)
    def _lay_out(self) -> None:
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        if not self.is_mounted:
            return
        with self.app.batch_update():
            width = max(40, self.rows.size.width)
            self.query_one("#models-head", Lines).show([_head(width)])
            self.rows.show([_line(entry, width) for entry in self._rows])
            good = sum(not entry.reason for entry in self._entries)
            said = f"Base models  {good} to train on · {len(self._entries) - good} not"
            self.query_one("#models-title", Static).update(said if self._is_read else "Base models  reading …")
            self._show_words()

    def on_row_list_moved(self) -> None:
        self._show_words()

    def _show_words(self, *said: Piece) -> None:
        """Below the list: of the marked model where it lies and what is amiss, or what else to do."""
        if self._hashing is not None and not self._hashing.is_finished and not said:
            return
        lines = self.query_one("#models-words", Lines)
        width, entry = max(30, lines.size.width), self.marked
        rows: list[Line] = []
        told: list[Piece] = list(said)
        if entry is not None:
            rows.append(((wording.cut_path(str(entry.path), width), "label"),))
            told += [(f"cannot be trained on: {entry.reason}", "warning")] if entry.reason and not said else []
        elif self._is_read and looks_like_hub_id(self.find.value.strip()):
            rows.append(((f"enter fetches {self.find.value.strip()} from the Hub; it asks first", "value"),))
        elif self._is_read:
            rows.append((("nothing here is called so", "label"),))
        if not told and self._problem:
            told.append((self._problem, "warning"))
        elif not told and self._is_read and len(self._entries) <= 1:
            told.append((with_keys(_ONLY_OURS), "label"))
        rows += [((line, role),) for text, role in told for line in wrapped(text, width)]
        lines.show(rows)

    # ----- actions

    def action_move(self, by: int) -> None:
        self.rows.action_move(by)

    def action_move_page(self, by: int) -> None:
        self.rows.action_move_page(by)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self._take()

    def on_row_list_chosen(self) -> None:
        self._take()

    def _take(self) -> None:
        entry, text = self.marked, self.find.value.strip()
        if entry is not None and not entry.reason:
            self.dismiss(entry.value)
        elif entry is None and self._is_read and looks_like_hub_id(text):
            in_background(self, self._fetch(text), group="fetch", exclusive=True)
        else:
            self.app.bell()

    async def _fetch(self, hub_id: str) -> None:
        from tinv_tui.app.screens.fetch import FetchScreen

        if await self.app.push_screen_wait(FetchScreen(hub_id)):
            self.dismiss(hub_id)

    def action_add(self) -> None:
        from tinv_tui.app.screens.ask_path import AskPathScreen

        title = "A folder of models or embeddings, or that of A1111, Forge or ComfyUI"
        self.app.push_screen(AskPathScreen("", title, reads=True, folder=True), self._added)

    def _added(self, folder: Path | None) -> None:
        if folder is not None:
            in_background(self, self._add(folder), group="read", exclusive=True)

    async def _add(self, folder: Path) -> None:
        from tinv_tui.settings import KINDS, add_folder

        try:
            kind, _ = await asyncio.to_thread(add_folder, folder)
        except InputError as error:
            self._show_words((f"✖ {error.message}. {error.hint}", "bad"))
        except OSError as error:
            self._show_words((f"✖ {error}", "bad"))
        else:
            await self._read()
            self._show_words((f"{folder} is listed as {KINDS[kind]}", "good"))

    def action_hash(self) -> None:
        """Compute the hash of the marked model, beside the event loop."""
        entry = self.marked
        is_hashing = self._hashing is not None and not self._hashing.is_finished
        if entry is None or entry.hash is not None or entry.reason or is_hashing:
            self.app.bell()
            return
        self._left = threading.Event()
        self._hashing = in_background(self, self._hash(entry, self._left), group="hash")

    async def _hash(self, entry: ModelEntry, left: threading.Event) -> None:
        from tinv_tui.models.hashes import HashingStopped, model_hash

        loop, began, shown = asyncio.get_running_loop(), time.monotonic(), 0.0

        def progress(done: int, total: int) -> None:
            nonlocal shown
            now = time.monotonic()
            if now - shown >= _SHOWN_EVERY_SECONDS and not left.is_set():
                shown = now
                words = f"hashing {entry.name}  {wording.bytes_done(done, total, done / (now - began))}"
                loop.call_soon_threadsafe(self._show_words, (words, "value"))

        self.query_one(DialogKeys).show(*_hints(hashing=True))
        self._show_words((f"hashing {entry.name}", "value"))
        said: Piece = ("the hash was not computed to its end", "warning")
        try:
            digits = await asyncio.to_thread(model_hash, entry.path, progress, left.is_set)
            said = (f"the hash of {entry.name} is {digits}", "good")
        except (HashingStopped, asyncio.CancelledError):
            pass
        except (InputError, OSError) as error:
            said = (f"✖ {error}", "bad")
        finally:
            left.set()
        if self.is_mounted:
            self.query_one(DialogKeys).show(*_hints(hashing=False))
            await self._read()
            self._show_words(said)

    def action_leave(self) -> None:
        """Stop what is being hashed; with nothing under way, close."""
        if self._hashing is not None and not self._hashing.is_finished and not self._left.is_set():
            self._left.set()
        else:
            self.dismiss(None)


def _searched(entry: ModelEntry) -> str:
    return f"{entry.name} {entry.path} {entry.family or ''} {entry.hash or ''}".lower()


def _name_width(width: int) -> int:
    return max(14, width - 42)


def _head(width: int) -> Line:
    return ((f"  {'name':<{_name_width(width)}}{'family':<8}{'size':>5}{'file':>7}  hash", "label"),)


def _line(entry: ModelEntry, width: int) -> Line:
    room = _name_width(width)
    name = wording.column(entry.name, room - 1) + " "
    if entry.reason:
        return ((name, "faint"), (wording.cut(f"✖ {entry.reason}", width - room - 2), "label"))
    return (
        (name, "value"),
        (f"{entry.family or '':<8}{entry.native_size or '':>5}{wording.memory(entry.bytes):>7}", ""),
        (f"  {entry.hash or wording.DASH}", "label"),
    )


def _hints(*, hashing: bool) -> tuple[str, ...]:
    if hashing:
        return (hint("models.leave", "stop hashing"),)
    return (
        "enter take",
        hint("models.hash"),
        hint("models.add"),
        hint("models.again"),
        hint("models.help"),
        hint("models.leave"),
    )
