"""The previews of the run, one at a time: the newest, or what was chosen, and beside it its words or another picture."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from tinv_tui.app import wording
from tinv_tui.app.gallery import Gallery
from tinv_tui.app.keys import KEYS, bindings, name_of
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.pane import Pane
from tinv_tui.app.widgets.picture import Picture
from tinv_tui.app.widgets.previews_walk import PreviewsWalk
from tinv_tui.app.wording import Line
from tinv_tui.printable import wrapped

if TYPE_CHECKING:
    from tinv_tui.app.watcher import RunNow
    from tinv_tui.runs.folder import RunFolder
    from tinv_tui.runs.history import Preview


class PreviewPane(Pane, PreviewsWalk):
    BINDINGS: ClassVar[list[BindingType]] = bindings("train", "preview-pane")

    def __init__(self) -> None:
        super().__init__("Newest preview", id="preview-pane", can_focus=True)
        self.gallery = Gallery()
        self._of: RunFolder | None = None

    def compose(self) -> ComposeResult:
        yield Picture(id="preview-picture", waits=True)
        yield Picture(id="preview-beside", waits=True)
        yield Lines(id="preview-words")

    def on_mount(self) -> None:
        self.show(None)

    @property
    def picture(self) -> Picture:
        return self.query_one("#preview-picture", Picture)

    @property
    def beside(self) -> Picture:
        return self.query_one("#preview-beside", Picture)

    @property
    def words(self) -> Lines:
        return self.query_one("#preview-words", Lines)

    def show(self, now: RunNow | None) -> None:
        folder = now.folder if now is not None else None
        key = f"no preview yet; {name_of('run.preview')} draws one"
        self.picture.say_when_empty("no preview yet" if now is None else key if now.is_live else "no preview")
        if folder != self._of:
            self._of, self.gallery = folder, Gallery()
        self.show_gallery(replace(self.gallery, previews=now.view.previews if now is not None else ()))

    @property
    def idle_keys(self) -> frozenset[str]:
        """All of them where there is no preview; with one alone there is none to go to."""
        keys = [key.id for key in KEYS if key.pane == self.id]
        if self.gallery.shown is None:
            return frozenset(keys)
        return frozenset({"preview.earlier", "preview.later", "preview.mark"} if len(self.gallery.series) < 2 else ())

    def show_gallery(self, gallery: Gallery) -> None:
        self.gallery = gallery
        shown, beside = gallery.shown, gallery.beside
        self.set_class(shown is None, "-empty")
        self.picture.show(shown.path if shown is not None else None)
        self.beside.show(beside[1] if beside is not None else None)
        self.beside.display = beside is not None
        self.words.display = shown is not None and beside is None
        self._rebuild()
        if self.words.display and not self.words.size.width:
            self.call_after_refresh(self._rebuild)  # the first preview has only now given the words a place

    def say(self, text: str) -> None:
        self.app.control.note(text)

    def action_full_size(self) -> None:
        """The previews on the whole screen; what is chosen there is chosen here."""
        from tinv_tui.app.screens.previews import PreviewsScreen

        def closed(gallery: Gallery | None) -> None:
            if gallery is not None:
                self.show_gallery(replace(gallery, previews=self.gallery.previews))

        if self.gallery.shown is not None:
            self.app.push_screen(PreviewsScreen(self.gallery, lambda: self.gallery.previews), closed)

    def on_resize(self) -> None:
        self.call_after_refresh(self._rebuild)

    def _rebuild(self) -> None:
        """The prompt beside the picture, the file's path in the frame, and in full where there is room."""
        gallery, shown = self.gallery, self.gallery.shown
        name = "Newest preview" if gallery.follows else "Preview"
        if shown is None:
            self.set_title(name)
            return
        where, fits = str(shown.path), False
        title = f"{name}  {gallery.title}"
        if len(gallery.series) > 1 and not gallery.follows:
            title += f"  {gallery.at + 1} of {len(gallery.series)}"
        if gallery.beside is not None:
            title = f"{gallery.title}  beside {gallery.beside[0]}"
        elif self.words.size.width:
            fits = self._show_words(shown)
        self.set_title(title, "" if fits else wording.cut_path(where, max(8, self.size.width - 4)))

    def _show_words(self, shown: Preview) -> bool:
        """Whether the path has found room, too."""
        width, height = self.words.size
        full = wrapped(str(shown.path), width)
        seed = [f"seed {shown.seed}"] if shown.seed is not None else []
        prompt = wrapped(shown.prompt, width, most=max(1, height - len(seed))) or [""]
        lines: list[Line] = [((row, ""),) for row in prompt]
        lines += [((row, "label"),) for row in seed]
        if fits := len(lines) + len(full) < height:
            lines += [(), *[((row, "label"),) for row in full]]
        self.words.show(lines)
        return fits
