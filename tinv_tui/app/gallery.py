"""The previews of a run to walk through: which one is seen, which it is held against, and those before and after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tinv_tui.app import wording

if TYPE_CHECKING:
    from tinv_tui.runs.folder import RunFolder
    from tinv_tui.runs.history import Preview


@dataclass(frozen=True)
class Gallery:
    """What is looked at. The newest preview is followed until another is chosen."""

    previews: tuple[Preview, ...] = ()
    chosen: Path | None = None
    marked: Path | None = None
    originals: tuple[Path, ...] = ()
    """Pictures of the dataset; empty while none is wanted beside the preview."""
    original: int = 0

    def _find(self, path: Path | None) -> Preview | None:
        return next((preview for preview in self.previews if preview.path == path), None)

    @property
    def shown(self) -> Preview | None:
        return self._find(self.chosen) or (self.previews[-1] if self.previews else None)

    @property
    def follows(self) -> bool:
        """Whether what is seen is the newest of its series, and the next one will be."""
        return self._find(self.chosen) is None

    @property
    def series(self) -> tuple[Preview, ...]:
        """All previews that differ from the one seen in their step only; with a seed per step all of its prompt, and with a
        prompt per step all there are."""
        shown = self.shown
        if shown is None:
            return ()
        same = tuple(p for p in self.previews if p.prompt == shown.prompt)
        has_one_a_step = len({preview.step for preview in self.previews}) == len(self.previews)
        if has_one_a_step and 2 * len(same) <= len(self.previews):  # one that comes again does so by chance
            return self.previews
        fixed = tuple(p for p in same if p.seed == shown.seed)
        return fixed if len(fixed) > 1 else same

    @property
    def at(self) -> int:
        """Where in its series the one seen is."""
        shown = self.shown
        return self.series.index(shown) if shown is not None else 0

    @property
    def held_against(self) -> Preview | None:
        """The marked one, unless it is itself the one seen, or the dataset is what was asked for since."""
        marked = self._find(self.marked)
        return None if self.originals or marked is None or marked == self.shown else marked

    @property
    def beside(self) -> tuple[str, Path] | None:
        """What stands beside the preview, and in a word or two what it is."""
        if (marked := self.held_against) is not None:
            return f"A step {wording.count(marked.step)}", marked.path
        if self.originals:
            path = self.originals[self.original]
            return f"{path.name} of the dataset", path
        return None

    @property
    def title(self) -> str:
        """``step 500`` of what is seen, with the letter it has in a comparison."""
        shown = self.shown
        if shown is None:
            return ""
        letter = "B " if self.held_against is not None else "A " if self._find(self.marked) == shown else ""
        return f"{letter}step {wording.count(shown.step)}"

    def moved(self, by: int) -> Gallery:
        """Earlier or later in the series; at its end the newest is followed again."""
        if not self.series:
            return self
        at = min(max(self.at + by, 0), len(self.series) - 1)
        found = self.series[at]
        return replace(self, chosen=None if found == self.previews[-1] else found.path)

    def with_next_prompt(self) -> Gallery:
        """The preview with the next prompt, of the same step if there is one."""
        shown = self.shown
        if shown is None:
            return self
        prompts = list(dict.fromkeys(preview.prompt for preview in self.previews))
        wanted = prompts[(prompts.index(shown.prompt) + 1) % len(prompts)]
        nearest = min((p for p in self.previews if p.prompt == wanted), key=lambda p: abs(p.step - shown.step))
        return replace(self, chosen=nearest.path)

    def with_mark(self) -> Gallery:
        """Mark the one seen, to go to another and see both; marked again it is no longer."""
        here = self.shown.path if self.shown is not None else None
        return replace(self, marked=None if here == self.marked else here, originals=())

    def with_original(self, by: int) -> Gallery:
        return replace(self, original=(self.original + by) % len(self.originals)) if self.originals else self


def find_originals(run: RunFolder) -> Sequence[Path]:
    """The pictures a run was started on, as far as they are still there. For a thread."""
    from tinv_tui.datasets.pictures import list_pictures, without
    from tinv_tui.errors import InputError
    from tinv_tui.recipe_file import load_recipe

    try:
        dataset = load_recipe(run.recipe).dataset
        entries = without(list_pictures(Path(dataset.path)), dataset.exclude)
        return [entry.path for entry in entries if not entry.problem]
    except (InputError, OSError):
        return ()
