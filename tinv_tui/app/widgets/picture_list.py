"""The list of the dataset's pictures, and the field that narrows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from tinv_tui.app.keys import bindings_of, name_of
from tinv_tui.app.picture_filter import keeps
from tinv_tui.app.widgets.picture_rows import Told, picture_rows
from tinv_tui.app.widgets.row_list import RowList
from tinv_tui.app.widgets.text_field import TextField

if TYPE_CHECKING:
    from tinv_tui.datasets.findings import Finding
    from tinv_tui.datasets.pictures import PictureEntry


class FilterField(TextField):
    """What is typed narrows the list at once; down and enter go to it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("filter")


class PictureList(Vertical):
    """Shows what :meth:`show` was told last, as far as the filter keeps it."""

    DEFAULT_CSS = """
    PictureList #pictures { height: 1fr; }
    PictureList #picture-filter { display: none; }
    PictureList.-filtering #picture-filter { display: block; }
    """

    @dataclass
    class Narrowed(Message):
        """The filter keeps others than before."""

    def __init__(self) -> None:
        super().__init__(id="picture-list")
        self._pictures: Sequence[PictureEntry] = ()
        self._findings: Callable[[PictureEntry], Sequence[Finding]] = lambda picture: ()
        self._exclude: frozenset[str] = frozenset()
        self._sizes: dict[int, tuple[int, int]] = {}
        self._kept: list[int] = []

    def compose(self) -> ComposeResult:
        yield FilterField(id="picture-filter", placeholder="name, caption, what is wrong")
        yield RowList(id="pictures", empty=_none_yet())

    @property
    def rows(self) -> RowList:
        return self.query_one("#pictures", RowList)

    @property
    def field(self) -> FilterField:
        return self.query_one(FilterField)

    @property
    def chosen(self) -> PictureEntry | None:
        index = self.index
        return self._pictures[index] if index is not None else None

    @property
    def index(self) -> int | None:
        """The chosen picture's place in the dataset."""
        at = self.rows.cursor
        return self._kept[at] if at < len(self._kept) else None

    @property
    def from_chosen(self) -> list[PictureEntry]:
        """The chosen picture and those shown after it."""
        return [self._pictures[i] for i in self._kept[self.rows.cursor :]]

    @property
    def in_words(self) -> str:
        """How many the filter keeps; nothing where there is none."""
        return f"{len(self._kept)} of {len(self._pictures)} shown" if self.field.value.strip() else ""

    def show(
        self,
        pictures: Sequence[PictureEntry],
        findings: Callable[[PictureEntry], Sequence[Finding]],
        exclude: frozenset[str],
        sizes: dict[int, tuple[int, int]],
    ) -> None:
        """``findings`` are a picture's, the worst first; ``sizes`` those trained at, by place. The chosen one is kept."""
        chosen = self.chosen
        self._pictures, self._findings, self._exclude, self._sizes = pictures, findings, exclude, sizes
        self._show(chosen)

    def _show(self, chosen: PictureEntry | None) -> None:
        text = self.field.value
        told = [
            Told(p, self._findings(p), p.path.name in self._exclude, self._sizes.get(i))
            for i, p in enumerate(self._pictures)
        ]
        self._kept = [
            i for i, one in enumerate(told) if keeps(text, one.picture, one.findings, is_left_out=one.is_left_out)
        ]
        self.rows.empty = _none_kept() if self._pictures else _none_yet()
        rows = picture_rows(told, self.rows.size.width)
        self.rows.show([rows[i] for i in self._kept])
        if chosen is not None:
            self.choose(chosen)

    def choose(self, picture: PictureEntry) -> None:
        """Go to a picture, if it is shown."""
        same = (at for at, i in enumerate(self._kept) if self._pictures[i].path == picture.path)
        self.rows.go_to(next(same, self.rows.cursor))

    def begin_filter(self) -> None:
        self.add_class("-filtering")
        self.field.focus()

    def filter_by(self, text: str) -> None:
        """Narrow the list as if it had been typed; with "" take the filter away."""
        self.set_class(bool(text), "-filtering")
        self.field.value = text
        self.rows.focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._show(self.chosen)
        self.post_message(self.Narrowed())


def _none_yet() -> tuple[str, ...]:
    return (
        "no pictures yet",
        "name a folder at Dataset;",
        f"{name_of('form.choose')} there lists some,",
        f"{name_of('app.preprocess')} makes one of any pictures",
    )


def _none_kept() -> tuple[str, ...]:
    return ("no picture has this in name,", "caption or findings", f"{name_of('dataset.all')} shows all")
