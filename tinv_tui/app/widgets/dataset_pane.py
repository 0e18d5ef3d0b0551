"""The pictures of the dataset: a list, the chosen one in half cells, its caption, the prompt it becomes, what is wrong."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message

from tinv_tui.app.background import in_background
from tinv_tui.app.closer_look import LookBroken, Seen, look_closer
from tinv_tui.app.keys import bindings, name_of
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.pane import Pane
from tinv_tui.app.widgets.picture import Picture
from tinv_tui.app.widgets.picture_list import PictureList
from tinv_tui.app.widgets.picture_rows import finding_lines, summary, worst_first
from tinv_tui.app.widgets.row_list import RowList
from tinv_tui.app.wording import Line, cut_path, short_path, tokens_piece
from tinv_tui.printable import wrapped

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp
    from tinv_tui.app.checked_recipe import CheckedRecipe
    from tinv_tui.app.checks import PromptMaker
    from tinv_tui.datasets.checks import CheckSettings
    from tinv_tui.datasets.findings import Finding
    from tinv_tui.datasets.pictures import PictureEntry


class DatasetPane(Pane):
    """Its keys work where the list has the focus; its messages say what became of the dataset, or shall become of it."""

    app: TinvApp
    BINDINGS: ClassVar[list[BindingType]] = bindings("train", "dataset-pane")

    class FilesChanged(Message):
        """Files of the folder were written: it has to be looked through again."""

    @dataclass
    class LeftOut(Message):
        """A picture shall be left out of the training, or taken back where it is left out."""

        name: str

    class ToPreprocess(Message):
        """The folder shall be preprocessed."""

    def __init__(self) -> None:
        super().__init__("Dataset", id="dataset-pane")
        self._pictures: tuple[PictureEntry, ...] = ()
        self._exclude: frozenset[str] = frozenset()
        self._prompts: PromptMaker | None = None
        self._sizes: dict[int, tuple[int, int]] = {}
        self._path = ""
        self._findings: dict[Path | None, list[Finding]] = {}
        self._asked: tuple[tuple[PictureEntry, ...], CheckSettings | None] = ((), None)
        self._headers: Sequence[Finding] = ()
        self._seen: Seen | None = None
        self._looking = ""
        self._refused: tuple[Path | None, str] = (None, "")

    def compose(self) -> ComposeResult:
        yield PictureList()
        yield Picture(id="chosen-picture", waits=True)
        yield Lines(id="caption")
        yield Lines(id="findings")

    @property
    def listed(self) -> PictureList:
        return self.query_one(PictureList)

    @property
    def pictures(self) -> RowList:
        return self.listed.rows

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
    def prompts(self) -> PromptMaker | None:
        return self._prompts

    @property
    def is_looking(self) -> bool:
        """Whether the pixels are still being looked through."""
        return bool(self._looking)

    # ----- what is known

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
        kept = tuple(picture for picture in self._pictures if not self._is_left_out(picture))
        if (kept, checked.settings) != self._asked:
            if kept != self._asked[0]:  # else what is known stays until it is known anew
                self._take(checked.findings)
            self._asked, self._headers = (kept, checked.settings), checked.findings
            self._looking = f"looking closer at {len(kept)} …" if kept else ""
            in_background(self, self._look(*self._asked), group="look", exclusive=True)
        self._show_all()

    def _is_left_out(self, picture: PictureEntry) -> bool:
        return picture.path.name in self._exclude

    def _is_trained_on(self, picture: PictureEntry) -> bool:
        return picture.problem is None and not self._is_left_out(picture)

    async def _look(self, pictures: tuple[PictureEntry, ...], settings: CheckSettings | None) -> None:
        """List first, pixels later: thousands of them take minutes."""
        from tinv_tui.datasets.checks import check_dataset, usable

        if pictures and settings is not None:
            try:
                paths = [entry.path for entry in usable(pictures)]
                self._seen = await look_closer(paths, settings.side, self._say, self._seen)
                self._take(await asyncio.to_thread(check_dataset, pictures, settings, self._seen.look))
            except LookBroken as error:
                self._take(self._headers)
                self.app.control.note(f"{error}: only headers and captions are checked", "warning")
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

    def _of(self, picture: PictureEntry) -> list[Finding]:
        return worst_first(self._findings.get(picture.path, ()))

    # ----- what is shown

    def _show_all(self) -> None:
        self.listed.show(self._pictures, self._of, self._exclude, self._sizes)
        self._show_title()
        self._show_chosen()

    @on(PictureList.Narrowed)
    def _narrowed(self, event: PictureList.Narrowed) -> None:
        event.stop()
        self._show_title()
        self._show_chosen()

    @on(RowList.Moved)
    def _moved(self, event: RowList.Moved) -> None:
        event.stop()
        entry = self.listed.chosen
        if entry is None or self._refused[0] != entry.path:
            self._refused = (None, "")
        self._show_chosen()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_all)  # once the list has its new width too

    def _show_title(self) -> None:
        folder = cut_path(short_path(self._path), max(8, self.size.width - 14))
        kept = self.listed.in_words
        if self._looking:
            said = [kept, self._looking]
        else:
            left_out = sum(map(self._is_left_out, self._pictures))
            said = [kept or summary([picture for picture in self._pictures if self._is_trained_on(picture)])]
            said.append(f"{left_out} left out" if left_out else "")
            for severity in ("warning", "error"):
                count = sum(f.severity == severity for found in self._findings.values() for f in found)
                said.append(f"{count} {severity}{'s' if count > 1 else ''}" if count else "")
        self.set_title(f"Dataset  {folder}" if self._path else "Dataset", " · ".join(word for word in said if word))

    def _show_chosen(self) -> None:
        entry = self.listed.chosen
        self.picture.show(entry.path if entry is not None and entry.problem is None else None)
        self._show_words()

    def _show_words(self) -> None:
        entry, width = self.listed.chosen, max(10, self.size.width)
        self._show_findings(entry)
        if entry is None or entry.problem is not None:
            self.caption.show(())
            return
        lines: list[Line] = [((row, ""),) for row in _rows(entry.caption or "no caption", width, 2)]
        if self._prompts is not None:
            prompt, tokens = self._prompts.sample(self.listed.index or 0, entry.caption)
            lines += [((row, "label"),) for row in _rows(f"→ {prompt}", width, 2)]
            if tokens is not None:
                lines.append((("  ", ""), tokens_piece(tokens)))
        self.caption.show(lines)

    def _show_findings(self, entry: PictureEntry | None) -> None:
        """What is wrong with the chosen picture and what to do, then with the whole set; the worst first."""
        width = max(10, self.size.width)
        lines: list[Line] = []
        if entry is not None and self._refused[0] == entry.path:
            lines += [((row, "bad"),) for row in wrapped(f"✖ {self._refused[1]}", width)]
        if entry is not None and self._is_left_out(entry):
            back = f"{name_of('dataset.exclude')} takes it back"
            marks = itertools.chain(["○ "], itertools.repeat("  "))
            rows = wrapped(f"left out of the training; {back}", width - 2)
            lines += [((mark, "label"), (row, "")) for mark, row in zip(marks, rows, strict=False)]
        own = self._of(entry) if entry is not None else []
        self.findings.show(lines + finding_lines([*own, *self._findings.get(None, ())], width))

    def refuse(self, entry: PictureEntry, why: str) -> None:
        """Say it where one looks, for the log may be out of sight; it stays until another picture is chosen."""
        self._refused = (entry.path, why)
        self._show_findings(entry)

    # ----- what can be done

    def action_filter(self) -> None:
        self.listed.begin_filter()

    def action_show_all(self) -> None:
        self.listed.filter_by("")

    def action_words(self) -> None:
        """Show the tags or words of the captions that are trained on; the chosen one becomes the filter."""
        from tinv_tui.app.screens.caption_words import CaptionWords

        captions = [picture.caption for picture in self._pictures if self._is_trained_on(picture) and picture.caption]
        if not captions:
            self.app.notify("none of the pictures has a caption yet", severity="warning", markup=False)
            return

        def chosen(text: str | None) -> None:
            if text is not None:
                self.listed.filter_by(text)

        self.app.push_screen(CaptionWords(captions), chosen)

    @on(RowList.Chosen, "#pictures")
    def _entered(self, event: RowList.Chosen) -> None:
        event.stop()
        self.action_fix()

    def action_fix(self) -> None:
        """Say what is wrong with the chosen picture, and offer what can be done about it."""
        from tinv_tui.app import picture_fixes
        from tinv_tui.app.screens.confirm import ConfirmScreen

        entry = self.listed.chosen
        if entry is None:
            self.app.bell()
            return
        findings, is_left_out = self._of(entry), self._is_left_out(entry)
        words = picture_fixes.in_words(entry, findings, is_left_out=is_left_out)
        answers = picture_fixes.fixes(entry, findings, is_left_out=is_left_out)

        def answered(answer: str | None) -> None:
            if answer == "caption":
                self.action_caption()
            elif answer == "exclude":
                self.action_exclude()
            elif answer == "preprocess":
                self.post_message(self.ToPreprocess())

        self.app.push_screen(ConfirmScreen(f"{entry.path.name}: what to do?", words, answers), answered)

    def action_exclude(self) -> None:
        """Leave the chosen picture out of the training, or take it back: the recipe says so, no file is touched."""
        entry = self.listed.chosen
        if entry is None:
            self.app.bell()
            return
        name = entry.path.name
        if any("\ud800" <= character <= "\udfff" for character in name):
            self.refuse(entry, "its name is no text, so that no recipe can hold it: rename it to leave it out")
            return
        self.post_message(self.LeftOut(name))

    def action_caption(self) -> None:
        """Edit the caption of the chosen picture, and then of the next ones as long as they are asked for."""
        from tinv_tui.app.edit_captions import edit_captions

        waiting = self.listed.from_chosen
        if not waiting or waiting[0].problem is not None:
            self.app.bell()
            return
        wanted = [waiting[0], *filter(self._is_trained_on, waiting[1:])]
        in_background(self, edit_captions(self, wanted), group="caption", exclusive=True)

    def place_of(self, entry: PictureEntry) -> int:
        """Where a picture stands in the dataset, whatever is listed; it decides the template line of its sample."""
        return next((i for i, picture in enumerate(self._pictures) if picture.path == entry.path), 0)


def _rows(text: str, width: int, most: int) -> list[str]:
    return wrapped(text, width, most=most) or [""]
