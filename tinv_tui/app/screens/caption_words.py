"""The tags or words of all captions, with the number of pictures that have each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from tinv_tui.app import wording
from tinv_tui.app.keys import bindings_of, hint, pair
from tinv_tui.app.picture_filter import exact
from tinv_tui.app.screens.dialog import Dialog
from tinv_tui.app.widgets.dialog_keys import DialogKeys
from tinv_tui.app.widgets.row_list import RowList
from tinv_tui.app.wording import Line
from tinv_tui.datasets.caption_words import count_captions, likely_kind
from tinv_tui.printable import many

if TYPE_CHECKING:
    from tinv_tui.datasets.caption_words import Kind

_BAR = 12
_NAMES: dict[Kind, str] = {"tag": "Tags", "word": "Words"}


class CaptionWords(Dialog[str | None]):
    """Answers with the filter that keeps the pictures which have the chosen tag or word."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("words")

    def __init__(self, captions: Sequence[str]) -> None:
        super().__init__()
        self._captions = captions
        self._kind: Kind = likely_kind(captions)
        self._counts: list[tuple[str, int]] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="words-dialog"):
            yield Static("", id="words-title", classes="dialog-title", markup=False)
            yield RowList(id="words-rows")
            yield DialogKeys(id="words-keys")

    @property
    def rows(self) -> RowList:
        return self.query_one("#words-rows", RowList)

    def on_mount(self) -> None:
        self._show()
        self.rows.focus()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        self._counts = count_captions(self._captions, self._kind)
        of = many(len(self._captions), "caption")
        self.query_one("#words-title", Static).update(f"{_NAMES[self._kind]} of {of}: {len(self._counts)}")
        other = "words" if self._kind == "tag" else "tags"
        self.query_one(DialogKeys).show(
            pair("list.up", "list.down", "choose"),
            hint("list.choose", "show its pictures"),
            hint("words.turn", other),
            hint("words.leave"),
        )
        digits = len(str(len(self._captions)))
        width = max(10, self.rows.size.width - _BAR - digits - 5)
        self.rows.show([self._row(text, count, width, digits) for text, count in self._counts])

    def _row(self, text: str, count: int, width: int, digits: int) -> Line:
        filled, empty = wording.bar(count / max(1, len(self._captions)), _BAR)
        return (
            (f"{count:>{digits}} ", "value"),
            (filled, "accent"),
            (empty, "faint"),
            (f" {wording.cut(text, width)}", ""),
        )

    def action_turn(self) -> None:
        """Tags for words, or words for tags."""
        self._kind = "word" if self._kind == "tag" else "tag"
        self.rows.go_to(0)
        self._show()

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        event.stop()
        self.dismiss(exact(self._kind, self._counts[event.index][0]))

    def action_leave(self) -> None:
        self.dismiss(None)
