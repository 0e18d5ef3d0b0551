"""Marked runs side by side: curves on one plot, the settings they differ in, previews at the same step."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from tinv_tui import paths
from tinv_tui.app import wording
from tinv_tui.app.background import in_background
from tinv_tui.app.keys import bindings_of, hint, name_of, pair
from tinv_tui.app.link import between_looks
from tinv_tui.app.plot import ROLES, plot
from tinv_tui.app.screens.dialog import Dialog
from tinv_tui.app.widgets.dialog_keys import DialogKeys
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.picture import Picture
from tinv_tui.app.wording import Line

if TYPE_CHECKING:
    from tinv_tui.runs.comparison import ComparedRun
    from tinv_tui.runs.folder import RunFolder

LETTERS = "".join(ROLES)
"""More runs than this are no comparison any more."""
_LOOK_SECONDS = 5.0
_LEAST_DIFFER = 2
_OTHER_ROWS = 12
"""Of a head of two runs, the plot's least, words, keys and frame."""


class CompareScreen(Dialog[None]):
    """Looks again now and then while one of the runs goes on."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("compare")

    def __init__(self, folders: Sequence[RunFolder]) -> None:
        super().__init__()
        self._folders = list(folders)[: len(LETTERS)]
        self._runs: list[ComparedRun] = []
        self._evaluation = self._log = False
        self._step: int | None = None
        self._said: Line = ()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="compare-dialog"):
            yield Lines(id="compare-head")
            yield Lines(id="compare-plot")
            yield Lines(id="compare-keys-differ")
            with Horizontal(id="compare-pictures"):
                for number in range(len(self._folders)):
                    yield Picture(id=f"compare-{number}", empty=f"{LETTERS[number]}: no preview", waits=True)
            yield Lines(id="compare-words")
            yield DialogKeys(
                hint("compare.curve", "train/eval"),
                hint("compare.scale"),
                pair("compare.earlier", "compare.later", "preview step"),
                hint("compare.export"),
                hint("compare.help"),
                hint("compare.close"),
            )

    def on_mount(self) -> None:
        in_background(self, self._look_on())

    async def _look_on(self) -> None:
        from tinv_tui.runs.liveness import LIVE_STATES

        await self.look()
        while any(run.state in LIVE_STATES for run in self._runs):
            await asyncio.sleep(between_looks(self.app, _LOOK_SECONDS))
            await self.look()

    async def look(self) -> None:
        """Read the runs and show them."""
        from tinv_tui.runs.comparison import read_all

        self._runs = await asyncio.to_thread(read_all, self._folders)
        self._show()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    # ----- keys

    def action_close(self) -> None:
        self.dismiss(None)

    def action_swap_curve(self) -> None:
        self._evaluation = not self._evaluation
        self._show()

    def action_scale(self) -> None:
        self._log = not self._log
        self._show()

    def action_go(self, by: int) -> None:
        steps = self._steps()
        if steps:
            at = steps.index(self._step) if self._step in steps else len(steps) - 1
            self._step = steps[min(max(at + by, 0), len(steps) - 1)]
            self._show()

    def action_export(self) -> None:
        from tinv_tui.runs.comparison import free_path, write_curves

        if not self._runs:
            return
        path = free_path(paths.home(), [folder.name for folder in self._folders])
        try:
            write_curves(self._runs, path)
            self._said = (("written: ", "label"), (str(path), "value"))
        except OSError as error:
            self._said = ((f"not written: {path}: {error.strerror}", "bad"),)
        self._show()

    # ----- what is seen

    def _show(self) -> None:
        if not self._runs:
            return
        with self.app.batch_update():
            head = self.query_one("#compare-head", Lines)
            head.show(_heads(self._lettered(), head.size.width))
            self._show_plot()
            self._show_pictures()
            differ = self.query_one("#compare-keys-differ", Lines)
            differ.show(_differing(self._runs, max(20, differ.size.width), self._rows_that_differ()))

    def _rows_that_differ(self) -> int:
        """How many rows there are for settings: half of what plot and pictures can spare, all of it without pictures."""
        room = self.size.height - _OTHER_ROWS - len(self._runs)
        return max(_LEAST_DIFFER, room // 2 if self._step is not None else room)

    def _steps(self) -> list[int]:
        """The steps of which all have a preview; where there is none, those of which any has one."""
        from tinv_tui.runs.comparison import common_steps

        return common_steps(self._runs) or sorted({step for run in self._runs for step in run.previews})

    def _lettered(self) -> list[tuple[str, ComparedRun]]:
        return list(zip(LETTERS, self._runs, strict=False))

    def _show_plot(self) -> None:
        pane = self.query_one("#compare-plot", Lines)
        curves = [(letter, run.evaluations if self._evaluation else run.smoothed) for letter, run in self._lettered()]
        title = "evaluation loss" if self._evaluation else "training loss, smoothed"
        rows = plot(curves, max(1, pane.size.width), max(2, pane.size.height - 1), log=self._log)
        nothing: list[Line] = [((f"no {title} yet; {name_of('compare.curve')} shows the other", "warning"),)]
        log = ", log scale" if self._log else ""
        pane.show([((f"{title}{log}, * where curves meet", "label"),), *(rows or nothing)])

    def _show_pictures(self) -> None:
        steps = self._steps()
        if self._step not in steps:
            self._step = steps[-1] if steps else None
        step = self._step
        self.query_one("#compare-pictures").display = step is not None
        for number, (letter, run) in enumerate(self._lettered()):
            picture = self.query_one(f"#compare-{number}", Picture)
            picture.show(run.previews.get(step) if step is not None else None)
            at = f"none at step {wording.count(step)}" if step is not None and run.previews else "no preview"
            picture.say_when_empty(f"{letter}: {at}")
        letters = " ".join(letter for letter, _ in self._lettered())
        where = (
            f"previews of step {wording.count(step)}, from left to right {letters}"
            if step is not None
            else "none of them has previews"
        )
        self.query_one("#compare-words", Lines).show([((where, "label"),), self._said or (("", ""),)])


_BESIDE_NAMES = 66
"""What the numbers of a run take of its line."""


def _heads(lettered: Sequence[tuple[str, ComparedRun]], width: int) -> list[Line]:
    room = max(12, min(max(wording.cells(run.name) for _, run in lettered), width - _BESIDE_NAMES))
    names = _told_apart([run.name for _, run in lettered], room)
    titles = f"  {'run':<{room + 1}}{'state':<12}{'step':>15}  {'smooth':<8}{'best evaluation':<17}trained"
    rows = [
        _head(letter, run, wording.column(name, room) + " ")
        for (letter, run), name in zip(lettered, names, strict=True)
    ]
    return [((titles, "label"),), *rows]


def _head(letter: str, run: ComparedRun, name: str) -> Line:
    word, role = wording.state_piece(run.state)
    best = f"{wording.loss(run.best[1])} @ {wording.count(run.best[0])}" if run.best else wording.DASH
    return (
        (f"{letter} ", ROLES[letter]),
        (name, "value"),
        (f"{wording.cut(word, 11):<12}", role),
        (f"{wording.count(run.step)}/{wording.count(run.steps)}".rjust(15), "label"),
        (f"  {wording.loss(run.last_loss):<8}{best:<17}", ""),
        (wording.duration(run.training_seconds), "label"),
    )


def _differing(runs: Sequence[ComparedRun], width: int, height: int) -> list[Line]:
    from tinv_tui.runs.comparison import differing_keys

    found = differing_keys(runs)
    if not found:
        return [(("the same settings in all of them", "label"),)]
    room = max(8, (width - 28) // len(runs) - 3)
    lines: list[Line] = []
    for key, values in found:
        said = zip(LETTERS, _told_apart([_said(value) for value in values], room), strict=False)
        cells = "  ".join(f"{letter} {wording.column(text, room)}" for letter, text in said)
        lines.append(((f"{wording.cut(key, 26):<27}", "label"), (cells, "value")))
    if len(lines) > height:
        more = len(lines) - height + 1
        lines = [*lines[: height - 1], ((f"and {more} more: tinv-tui compare tells all", "label"),)]
    return lines


def _told_apart(texts: Sequence[str], room: int) -> list[str]:
    """Each in that room, cut so that the part in which they differ stays: of paths, mostly the end."""
    shown = [wording.cut_path(text, room) if text.startswith("/") else wording.cut(text, room) for text in texts]
    if len(set(shown)) == len(set(texts)):
        return shown
    same = len(os.path.commonprefix(list(texts)))
    begin = max(0, same - room // 3, texts[0].rfind("/", 0, same))
    return [wording.cut("…" + text[begin:], room) for text in texts]


def _said(value: object) -> str:
    """As a recipe says it, about."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: wording.DASH}[value]
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or wording.DASH
    return str(value) if str(value) else wording.DASH
