"""The newest preview of the run, its prompt, and where the file lies."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from tinv_tui.app import wording
from tinv_tui.app.keys import name_of
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.pane import Pane
from tinv_tui.app.widgets.picture import Picture
from tinv_tui.app.wording import Line

if TYPE_CHECKING:
    from tinv_tui.app.watcher import RunNow
    from tinv_tui.runs.history import Preview


class PreviewPane(Pane):
    def __init__(self) -> None:
        super().__init__("Newest preview", id="preview-pane", can_focus=True)
        self._preview: Preview | None = None

    def compose(self) -> ComposeResult:
        yield Picture(id="preview-picture", empty=f"no preview yet; {name_of('run.preview')} draws one", waits=True)
        yield Lines(id="preview-words")

    @property
    def picture(self) -> Picture:
        return self.query_one("#preview-picture", Picture)

    @property
    def words(self) -> Lines:
        return self.query_one("#preview-words", Lines)

    def show(self, now: RunNow | None) -> None:
        self._preview = now.view.previews[-1] if now is not None and now.view.previews else None
        self.picture.show(self._preview.path if self._preview else None)
        self._rebuild()
        if not self.words.size.width:
            self.call_after_refresh(self._rebuild)  # the first preview has only now given the words a place

    def on_resize(self) -> None:
        self.call_after_refresh(self._rebuild)

    def _rebuild(self) -> None:
        """The prompt beside the picture, the file's path in the frame, and in full where there is room."""
        preview, (width, height) = self._preview, self.words.size
        self.words.display = preview is not None
        if preview is None:
            self.set_title("Newest preview")
        if preview is None or not width:
            return
        where = str(preview.path)
        full = textwrap.wrap(where, width)
        seed = [f"seed {preview.seed}"] if preview.seed is not None else []
        prompt = textwrap.wrap(preview.prompt, width, max_lines=max(1, height - len(seed)), placeholder=" …") or [""]
        lines: list[Line] = [((row, ""),) for row in prompt]
        lines += [((row, "label"),) for row in seed]
        fits = len(lines) + len(full) < height
        if fits:
            lines += [(), *[((row, "label"),) for row in full]]
        self.words.show(lines)
        below = "" if fits else wording.cut_path(where, max(8, self.size.width - 4))
        self.set_title(f"Newest preview  step {wording.count(preview.step)}", below)
