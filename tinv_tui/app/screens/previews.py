"""The previews on the whole screen: one as large as fits, another beside it, and below a strip of them through time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from tinv_tui.app import wording
from tinv_tui.app.gallery import Gallery
from tinv_tui.app.keys import bindings, bindings_of, fitting, hint, pair
from tinv_tui.app.screens.dialog import Dialog
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.picture import Picture
from tinv_tui.app.widgets.previews_walk import PreviewsWalk
from tinv_tui.app.wording import Line, Piece
from tinv_tui.printable import wrapped

if TYPE_CHECKING:
    from tinv_tui.runs.history import Preview

STRIP = 6
_LOOK_SECONDS = 2.0
_PATH_ROWS = 2


class PreviewsScreen(Dialog[Gallery], PreviewsWalk):
    """Answers with the gallery as it was left. ``read`` tells what previews there are by now."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("train", "preview-pane"), *bindings_of("previews")]

    def __init__(self, gallery: Gallery, read: Callable[[], tuple[Preview, ...]]) -> None:
        super().__init__()
        self.gallery = gallery
        self._read = read
        self._said = ""

    def compose(self) -> ComposeResult:
        with Vertical(id="previews"):
            yield Lines(id="previews-titles")
            with Horizontal(id="previews-large"):
                yield Picture(id="previews-beside")
                yield Picture(id="previews-shown")
            with Horizontal(id="previews-strip"):
                for number in range(STRIP):
                    yield Picture(id=f"previews-{number}", waits=True)
            yield Lines(id="previews-steps")
            yield Lines(id="previews-words")

    def on_mount(self) -> None:
        self.call_after_refresh(self.show_gallery, self.gallery)
        self.set_interval(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        previews = self._read()
        if previews and previews != self.gallery.previews:
            self.show_gallery(replace(self.gallery, previews=previews))

    def on_resize(self) -> None:
        self.call_after_refresh(self.show_gallery, self.gallery)

    def action_full_size(self) -> None:
        self.dismiss(self.gallery)

    def action_original(self, by: int) -> None:
        self.show_gallery(self.gallery.with_original(by))

    def say(self, text: str) -> None:
        self._said = text
        self.show_gallery(self.gallery)

    def show_gallery(self, gallery: Gallery) -> None:
        if gallery != self.gallery:
            self._said = ""
        self.gallery = gallery
        shown, beside = gallery.shown, gallery.beside
        if shown is None:
            return
        self.query_one("#previews-shown", Picture).show(shown.path)
        left = self.query_one("#previews-beside", Picture)
        left.show(beside[1] if beside is not None else None)
        left.display = beside is not None
        width = max(20, self.size.width - 2)
        titles = [beside[0], gallery.title] if beside is not None else [gallery.title]
        self.query_one("#previews-titles", Lines).show(
            [tuple((wording.cut(t, width // len(titles) - 2).center(width // len(titles)), "value") for t in titles)]
        )
        self._show_strip(width)
        self.query_one("#previews-words", Lines).show(self._words(shown, width))

    def _show_strip(self, width: int) -> None:
        """Those around the one seen, each with its step."""
        series, at = self.gallery.series, self.gallery.at
        first = min(max(0, at - STRIP // 2), max(0, len(series) - STRIP))
        inside = series[first : first + STRIP]
        steps: list[Piece] = []
        for number in range(STRIP):
            preview = inside[number] if number < len(inside) else None
            self.query_one(f"#previews-{number}", Picture).show(preview.path if preview is not None else None)
            text = wording.count(preview.step) if preview is not None else ""
            is_shown = preview is not None and first + number == at
            text = f"▸ {text}" if is_shown else text
            room = width * (number + 1) // STRIP - width * number // STRIP
            steps.append((text.center(room), "accent" if is_shown else "label"))
        self.query_one("#previews-steps", Lines).show([tuple(steps)])

    def _words(self, shown: Preview, width: int) -> list[Line]:
        seed = f"   seed {shown.seed}" if shown.seed is not None else ""
        where = f"{self.gallery.at + 1} of {len(self.gallery.series)}   "
        prompt = wording.cut(shown.prompt, max(8, width - len(seed) - len(where)))
        said: Line = ((self._said, "good"),) if self._said else ()
        rows: list[Line] = [((row, ""),) for row in wrapped(str(shown.path), width, break_on_hyphens=False)]
        rows = [said, *rows] if said else rows
        return [
            ((where, "label"), (prompt, ""), (seed, "label")),
            *(rows + [()] * _PATH_ROWS)[:_PATH_ROWS],
            ((fitting(_hints(), width), "label"),),
        ]


def _hints() -> list[str]:
    return [
        pair("previews.earlier", "previews.later", "step"),
        hint("preview.mark"),
        hint("preview.originals"),
        pair("previews.picture_before", "previews.picture_after", "its picture"),
        hint("preview.prompt"),
        hint("preview.copy"),
        hint("previews.help"),
        hint("previews.close"),
    ]
