"""The pictures of the dataset: a list, the chosen one in half cells, its caption, and the prompt it becomes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult

from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.pane import Pane
from tinv_tui.app.widgets.picture import Picture
from tinv_tui.app.widgets.row_list import RowList
from tinv_tui.app.wording import Line, cut, cut_path

if TYPE_CHECKING:
    from tinv_tui.app.checks import CheckedRecipe, PromptMaker
    from tinv_tui.datasets.pictures import PictureEntry

_NAME_WIDTH = 16


class DatasetPane(Pane):
    def __init__(self) -> None:
        super().__init__("Dataset", id="dataset-pane")
        self._pictures: tuple[PictureEntry, ...] = ()
        self._prompts: PromptMaker | None = None
        self._sizes: dict[int, tuple[int, int]] = {}
        self._path = ""

    def compose(self) -> ComposeResult:
        yield RowList(id="pictures")
        yield Picture(id="chosen-picture", empty="no pictures yet")
        yield Lines(id="caption")

    @property
    def pictures(self) -> RowList:
        return self.query_one("#pictures", RowList)

    @property
    def picture(self) -> Picture:
        return self.query_one("#chosen-picture", Picture)

    @property
    def caption(self) -> Lines:
        return self.query_one("#caption", Lines)

    def show(self, checked: CheckedRecipe, path: str) -> None:
        """What a check of the form found."""
        self._pictures = checked.pictures or ()
        self._prompts = checked.prompts
        self._sizes = {}
        if checked.plan is not None:
            places = [i for i, picture in enumerate(self._pictures) if picture.problem is None]
            self._sizes = {places[i]: size for size, members in checked.plan.groups.items() for i in members}
        self.pictures.show([self._row(i) for i in range(len(self._pictures))])
        self._path = path
        self._show_title()
        self._show_chosen()

    @on(RowList.Moved)
    def _moved(self, event: RowList.Moved) -> None:
        event.stop()
        self._show_chosen()

    def on_resize(self) -> None:
        self._show_title()
        self._show_words()

    def _show_title(self) -> None:
        folder = cut_path(_short_path(self._path), max(8, self.size.width - 14))
        self.set_title(f"Dataset  {folder}" if self._path else "Dataset", _summary(self._pictures))

    def _row(self, index: int) -> Line:
        picture = self._pictures[index]
        width = min(_NAME_WIDTH, max(len(p.path.name) for p in self._pictures))
        name = f"{cut(picture.path.name, width):<{width}}  "
        if picture.problem is not None:
            return ((name, "label"), (f"✖ {picture.problem}", "bad"))
        size_width = max(len(_size(p)) for p in self._pictures)
        said = ("✔ caption", "good") if picture.caption else ("– no caption", "warning")
        trained = self._sizes.get(index)
        shape = (
            ""
            if trained is None or trained[0] * picture.height == trained[1] * picture.width
            else f"→ {trained[0]}×{trained[1]} "
        )
        return ((name, ""), (f"{_size(picture):<{size_width}}  ", "label"), (shape, "label"), said)

    def _show_chosen(self) -> None:
        entry = self._entry()
        self.picture.show(entry.path if entry is not None and entry.problem is None else None)
        self._show_words()

    def _entry(self) -> PictureEntry | None:
        at = self.pictures.cursor
        return self._pictures[at] if at < len(self._pictures) else None

    def _show_words(self) -> None:
        entry, width = self._entry(), max(10, self.caption.size.width)
        if entry is None or entry.problem is not None:
            self.caption.show(())
            return
        lines: list[Line] = [((row, ""),) for row in _rows(entry.caption or "no caption", width, 2)]
        if self._prompts is not None:
            prompt, tokens = self._prompts.sample(self.pictures.cursor, entry.caption)
            rows = _rows(f"→ {prompt}", width, 2)
            lines += [((row, "label"),) for row in rows]
            if tokens is not None:
                passes = -(-tokens // 75)
                said = f"{tokens} of 75 tokens" if passes < 2 else f"{tokens} tokens, {passes} chunks of 75"
                lines.append(((f"  {said}", "accent" if passes < 2 else "warning"),))
        self.caption.show(lines)


def _size(picture: PictureEntry) -> str:
    return f"{picture.width}²" if picture.width == picture.height else f"{picture.width}×{picture.height}"


def _rows(text: str, width: int, most: int) -> list[str]:
    return textwrap.wrap(text, width, max_lines=most, placeholder=" …") or [""]


def _short_path(text: str) -> str:
    home = str(Path.home())
    return "~" + text[len(home) :] if text.startswith(home + "/") else text


def _summary(pictures: Sequence[PictureEntry]) -> str:
    if not pictures:
        return ""
    good = [p for p in pictures if p.problem is None]
    bad = len(pictures) - len(good)
    captions = sum(p.caption is not None for p in good)
    return f"{len(good)} pictures · {captions} captions" + (f" · {bad} unreadable" if bad else "")
