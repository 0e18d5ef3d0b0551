"""The pictures of the dataset: a list, the chosen one in half cells, its caption, the prompt it becomes, what is wrong."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message

from tinv_tui.app.closer_look import look_closer
from tinv_tui.app.keys import bindings, name_of
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.pane import Pane
from tinv_tui.app.widgets.picture import Picture
from tinv_tui.app.widgets.row_list import RowList
from tinv_tui.app.wording import Line, Piece, cut, cut_path, tokens_piece

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp
    from tinv_tui.app.checks import CheckedRecipe, PromptMaker
    from tinv_tui.datasets.checks import CheckSettings
    from tinv_tui.datasets.findings import Finding
    from tinv_tui.datasets.pictures import PictureEntry

_NAME_WIDTH, _LEAST_NAME_WIDTH = 16, 7
_SAID_WIDTH = 14
"""What is said of a picture beside its name and size takes so much."""
_MARKS = {"error": ("✖", "bad"), "warning": ("!", "warning"), "information": ("·", "label")}
_LESS_TELLING = ("caption-missing", "not-square")
"""Shown beside a file only where there is nothing else: the row says so already."""


class DatasetPane(Pane):
    """Its keys work where the list has the focus; its messages say what became of the dataset."""

    app: TinvApp
    BINDINGS: ClassVar[list[BindingType]] = bindings("train", "dataset-pane")

    class FilesChanged(Message):
        """Files of the folder were written: it has to be looked through again."""

    @dataclass
    class LeftOut(Message):
        """A picture shall be left out of the training, or taken back where it is left out."""

        name: str

    def __init__(self) -> None:
        super().__init__("Dataset", id="dataset-pane")
        self._pictures: tuple[PictureEntry, ...] = ()
        self._exclude: frozenset[str] = frozenset()
        self._prompts: PromptMaker | None = None
        self._sizes: dict[int, tuple[int, int]] = {}
        self._path = ""
        self._findings: dict[Path | None, list[Finding]] = {}
        self._asked: tuple[tuple[PictureEntry, ...], CheckSettings | None] = ((), None)
        self._looking = ""
        self._refused: tuple[Path | None, str] = (None, "")

    def compose(self) -> ComposeResult:
        empty = (
            "no pictures yet",
            "name a folder at Dataset;",
            f"{name_of('form.choose')} there lists some,",
            f"{name_of('app.preprocess')} makes one of any pictures",
        )
        yield RowList(id="pictures", empty=empty)
        yield Picture(id="chosen-picture", waits=True)
        yield Lines(id="caption")
        yield Lines(id="findings")

    @property
    def pictures(self) -> RowList:
        return self.query_one("#pictures", RowList)

    @property
    def picture(self) -> Picture:
        return self.query_one("#chosen-picture", Picture)

    @property
    def caption(self) -> Lines:
        return self.query_one("#caption", Lines)

    @property
    def findings(self) -> Lines:
        return self.query_one("#findings", Lines)

    @property
    def is_looking(self) -> bool:
        """Whether the pixels are still being looked through."""
        return bool(self._looking)

    def show(self, checked: CheckedRecipe, path: str) -> None:
        """What a check of the form found."""
        self._pictures = checked.pictures or ()
        self._exclude = checked.exclude
        self._prompts = checked.prompts
        self._sizes = {}
        if checked.plan is not None:
            places = [i for i, picture in enumerate(self._pictures) if self._is_trained_on(picture)]
            self._sizes = {places[i]: size for size, members in checked.plan.groups.items() for i in members}
        self._path = path
        kept = tuple(picture for picture in self._pictures if picture.path.name not in self._exclude)
        if (kept, checked.settings) != self._asked:
            if kept != self._asked[0]:  # else what is known stays until it is known anew
                self._take(checked.findings)
            self._asked = (kept, checked.settings)
            self._looking = "looking closer …" if kept else ""
            self.run_worker(self._look(*self._asked), group="look", exclusive=True, exit_on_error=False)
        self._show_all()

    def _is_trained_on(self, picture: PictureEntry) -> bool:
        return picture.problem is None and picture.path.name not in self._exclude

    async def _look(self, pictures: tuple[PictureEntry, ...], settings: CheckSettings | None) -> None:
        """List first, pixels later: thousands of them take minutes."""
        if pictures and settings is not None:
            self._take(await look_closer(pictures, settings, self._say))
        self._looking = ""
        self._show_all()

    def _say(self, words: str) -> None:
        if self._looking:
            self._looking = words
            self._show_title()

    def _take(self, findings: Sequence[Finding]) -> None:
        self._findings = {}
        for finding in findings:
            self._findings.setdefault(finding.file, []).append(finding)

    def _show_all(self) -> None:
        size_width = max((len(_size(p)) for p in self._pictures), default=0)
        room = min(_NAME_WIDTH, max(_LEAST_NAME_WIDTH, self.pictures.size.width - size_width - _SAID_WIDTH - 4))
        name_width = min(room, max((len(p.path.name) for p in self._pictures), default=0))
        self.pictures.show([self._row(i, name_width, size_width) for i in range(len(self._pictures))])
        self._show_title()
        self._show_chosen()

    @on(RowList.Moved)
    def _moved(self, event: RowList.Moved) -> None:
        event.stop()
        self._refused = (None, "")
        self._show_chosen()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_all)  # once the list has its new width too

    def _show_title(self) -> None:
        folder = cut_path(_short_path(self._path), max(8, self.size.width - 14))
        said = [self._looking and f"{len(self._pictures)} pictures", self._looking]
        if not self._looking:  # both have no room beside each other
            said = [_summary([p for p in self._pictures if self._is_trained_on(p)])]
            left_out = sum(picture.path.name in self._exclude for picture in self._pictures)
            said.append(f"{left_out} left out" if left_out else "")
            for severity in ("warning", "error"):
                count = sum(f.severity == severity for found in self._findings.values() for f in found)
                said.append(f"{count} {severity}{'s' if count > 1 else ''}" if count else "")
        self.set_title(f"Dataset  {folder}" if self._path else "Dataset", " · ".join(word for word in said if word))

    def _row(self, index: int, name_width: int, size_width: int) -> Line:
        picture = self._pictures[index]
        name = f"{cut(picture.path.name, name_width):<{name_width}} "
        if picture.path.name in self._exclude:
            return ((name, "faint"), ("○ left out", "label"))
        if picture.problem is not None:
            return ((name, "label"), (f"✖ {picture.problem}", "bad"))
        head: Line = ((name, ""), (f"{_size(picture):<{size_width}} ", "label"))
        mark = self._mark(picture)
        if mark is not None:
            return (*head, ("✔ " if picture.caption else "– ", "good" if picture.caption else "warning"), mark)
        said = ("✔ caption", "good") if picture.caption else ("– no caption", "warning")
        trained = self._sizes.get(index)
        shape = (
            ""
            if trained is None or trained[0] * picture.height == trained[1] * picture.width
            else f" → {trained[0]}×{trained[1]}"
        )
        return (*head, said, (shape, "label"))

    def _mark(self, picture: PictureEntry) -> Piece | None:
        """The most telling of a picture's faults, and how many more there are."""
        wrong = [f for f in self._findings.get(picture.path, ()) if f.severity != "information"]
        telling = [f for f in wrong if f.code not in _LESS_TELLING]
        if not telling:
            return None
        more = f" +{len(telling) - 1}" if len(telling) > 1 else ""
        sign, role = _MARKS[telling[0].severity]
        return f"{sign} {telling[0].kind.mark}{more}", role

    def _show_chosen(self) -> None:
        entry = self._entry()
        self.picture.show(entry.path if entry is not None and entry.problem is None else None)
        self._show_words()

    def _entry(self) -> PictureEntry | None:
        at = self.pictures.cursor
        return self._pictures[at] if at < len(self._pictures) else None

    def _show_words(self) -> None:
        entry, width = self._entry(), max(10, self.size.width)
        self._show_findings(entry)
        if entry is None or entry.problem is not None:
            self.caption.show(())
            return
        lines: list[Line] = [((row, ""),) for row in _rows(entry.caption or "no caption", width, 2)]
        if self._prompts is not None:
            prompt, tokens = self._prompts.sample(self.pictures.cursor, entry.caption)
            rows = _rows(f"→ {prompt}", width, 2)
            lines += [((row, "label"),) for row in rows]
            if tokens is not None:
                lines.append((("  ", ""), tokens_piece(tokens)))
        self.caption.show(lines)

    def _show_findings(self, entry: PictureEntry | None) -> None:
        """What is wrong with the chosen picture and what to do, then with the whole set; the worst first."""
        width = max(10, self.size.width)
        own = self._findings.get(entry.path, ()) if entry is not None else ()
        order = list(_MARKS)
        wrong = sorted(own, key=lambda f: (order.index(f.severity), f.code in _LESS_TELLING))
        lines: list[Line] = []
        if entry is not None and self._refused[0] == entry.path:
            lines += [((row, "bad"),) for row in textwrap.wrap(f"✖ {self._refused[1]}", width)]
        if entry is not None and entry.path.name in self._exclude:
            lines.append((("○ ", "label"), ("left out of the training; x takes it back", "")))
        for finding in [*wrong, *self._findings.get(None, ())]:
            sign, role = _MARKS[finding.severity]
            text = finding.message if finding.file is not None else f"all: {finding.message}"
            first, *more = textwrap.wrap(text, width - 2)
            lines += [((f"{sign} ", role), (first, "")), *(((f"  {row}", ""),) for row in more)]
            if finding.severity != "information":
                lines += [((f"  {row}", "label"),) for row in textwrap.wrap(finding.hint, width - 2)]
        self.findings.show(lines)

    # ----- keys

    def action_exclude(self) -> None:
        """Leave the chosen picture out of the training, or take it back: the recipe says so, no file is touched."""
        entry = self._entry()
        if entry is None:
            self.app.bell()
            return
        name = entry.path.name
        if any("\ud800" <= character <= "\udfff" for character in name):
            self._refuse(entry, "its name is no text, so that no recipe can hold it: rename it to leave it out")
            return
        self.post_message(self.LeftOut(name))

    def action_caption(self) -> None:
        """Edit the caption of the chosen picture, and then of the next ones as long as they are asked for."""
        self.run_worker(self._edit_captions(), group="caption", exclusive=True, exit_on_error=False)

    async def _edit_captions(self) -> None:
        from tinv_tui.app.screens.caption_editor import CaptionEditor
        from tinv_tui.datasets.caption_files import open_caption
        from tinv_tui.errors import InputError

        asked: str | None = "next"
        while asked == "next":
            entry = self._entry()
            if entry is None or entry.problem is not None:
                self.app.bell()
                return
            try:
                caption = await asyncio.to_thread(open_caption, entry.path, entry.caption or "")
            except InputError as error:
                self._refuse(entry, f"{error.message}. {error.hint}")
                return
            asked = await self.app.push_screen_wait(CaptionEditor(caption, self._prompts, self.pictures.cursor))
            if asked is not None:
                self.post_message(self.FilesChanged())
            if asked == "next" and not self._go_to_next():
                return

    def _refuse(self, entry: PictureEntry, why: str) -> None:
        """Say it where one looks, for the log may be out of sight; it stays until another picture is chosen."""
        self._refused = (entry.path, why)
        self._show_findings(entry)

    def _go_to_next(self) -> bool:
        """Choose the next picture that can be used; False where there is none."""
        for index in range(self.pictures.cursor + 1, len(self._pictures)):
            if self._is_trained_on(self._pictures[index]):
                self.pictures.go_to(index)
                return True
        return False


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
    captions = sum(bool(p.caption) for p in pictures)
    return f"{len(pictures)} · {captions} caption{'' if captions == 1 else 's'}"
