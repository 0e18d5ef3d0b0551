"""All runs, newest first, with what each is doing; enter shows one on the train screen."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from tinv_tui.app import wording
from tinv_tui.app.background import in_background
from tinv_tui.app.compare_runs import compare_with_last
from tinv_tui.app.keys import bindings, name_of
from tinv_tui.app.link import between_looks
from tinv_tui.app.resume_run import ask_and_resume
from tinv_tui.app.screens.mode_screen import ModeScreen
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.pane import Pane
from tinv_tui.app.widgets.row_list import RowList
from tinv_tui.app.wording import Line
from tinv_tui.printable import many, wrapped

if TYPE_CHECKING:
    from tinv_tui.runs.folder import RunFolder
    from tinv_tui.runs.status import Status

LOOK_SECONDS = 2.0
_ORPHAN_SECONDS = 10.0
_MOST_ORPHANS = 3
_MOST_RUNS = 200
_TAIL_BYTES = 16384


@dataclass(frozen=True)
class RunRow:
    folder: RunFolder
    state: str
    status: Status | None
    reason: str = ""
    """Why it failed, is lost, or does not respond."""


class RunsScreen(ModeScreen):
    BINDINGS: ClassVar[list[BindingType]] = bindings("runs")
    AUTO_FOCUS = "#runs-rows"

    def __init__(self) -> None:
        super().__init__("runs")
        self._rows: list[RunRow] = []
        self._marked: list[RunFolder] = []
        self._said = ""
        """Stands in place of what is known of the run until the next key."""

    def compose_body(self) -> ComposeResult:
        with Pane("Runs", id="runs-list"):
            yield Lines(id="runs-head")
            empty = (
                "no runs yet",
                f"{name_of('app.train')} goes to the form, {name_of('run.start')} starts a run there",
                f"{name_of('app.train')}, then {name_of('form.demo')} tries it with bundled pictures",
            )
            yield RowList(id="runs-rows", empty=empty)
            yield Lines(id="runs-orphans")
        with Pane("", id="run-detail"):
            yield Lines(id="run-facts")

    @property
    def rows(self) -> RowList:
        return self.query_one("#runs-rows", RowList)

    def on_mount(self) -> None:
        in_background(self, self._look_on(), group="runs", exclusive=True)
        in_background(self, self._look_for_orphans(), group="orphans", exclusive=True)

    async def _look_on(self) -> None:
        """Only while this screen is the one in sight."""
        while True:
            if self.is_current:
                rows = await asyncio.to_thread(_read_rows)
                if rows != self._rows:
                    self._show(rows)
            await asyncio.sleep(between_looks(self.app, LOOK_SECONDS))

    def on_resize(self) -> None:
        self.call_after_refresh(lambda: self._show(self._rows))

    async def _look_for_orphans(self) -> None:
        """Reads the environment of every process: seldom."""
        from tinv_tui.runs.orphans import find_orphans

        while True:
            if self.is_current:
                orphans = await asyncio.to_thread(find_orphans)
                lines = self.query_one("#runs-orphans", Lines)
                lines.styles.height = min(len(orphans), _MOST_ORPHANS)
                lines.show([((orphan.in_words(), "bad"),) for orphan in orphans[:_MOST_ORPHANS]])
            await asyncio.sleep(_ORPHAN_SECONDS)

    async def on_screen_resume(self) -> None:
        self._show(await asyncio.to_thread(_read_rows))

    def _show(self, rows: list[RunRow]) -> None:
        here = self._rows[self.rows.cursor].folder if self._rows else None
        self._rows = rows
        with self.app.batch_update():
            width = self.rows.size.width
            self.query_one("#runs-head", Lines).show([_head(width)])
            self.rows.show([_line(row, width, marked=row.folder in self._marked) for row in rows])
            at = next((i for i, row in enumerate(rows) if row.folder == here), None)
            if at is not None:
                self.rows.go_to(at)
            live = sum(row.state in ("starting", "running", "paused", "not-responding") for row in rows)
            foot = f"{many(len(rows), 'run')} · {live} live" if rows else ""
            self.query_one("#runs-list", Pane).set_title("Runs", foot)
            self._show_facts()

    def on_row_list_moved(self) -> None:
        self._show_facts()

    def _show_facts(self) -> None:
        pane, lines = self.query_one("#run-detail", Pane), self.query_one("#run-facts", Lines)
        if self._said:
            lines.show([((self._said, "warning"),)])
            return
        if not self._rows:
            pane.set_title("")
            lines.show(())
            return
        row = self._rows[self.rows.cursor]
        pane.set_title(row.folder.name)
        lines.show(_facts(row, max(20, lines.size.width)))

    def on_row_list_chosen(self) -> None:
        self.action_attach()

    def action_attach(self) -> None:
        if self._rows:
            self.app.open_run(self._rows[self.rows.cursor].folder)

    def action_mark(self) -> None:
        """Marks are kept in the order in which they were made: it gives the runs their letters."""
        if not self._rows:
            return
        folder = self._rows[self.rows.cursor].folder
        if folder in self._marked:
            self._marked.remove(folder)
        else:
            self._marked.append(folder)
        self.rows.go_to(self.rows.cursor + 1)
        self._show(self._rows)

    def action_compare(self) -> None:
        from tinv_tui.app.screens.compare import LETTERS, CompareScreen

        there = [row.folder for row in self._rows]
        marked = [folder for folder in self._marked if folder in there]
        if not 2 <= len(marked) <= len(LETTERS):
            are = "is" if len(marked) == 1 else "are"
            key = name_of("runs.mark")
            self._say(f"mark 2 to {len(LETTERS)} runs with {key} first; {len(marked)} {are} marked")
            return
        self.app.push_screen(CompareScreen(marked))

    async def action_compare_with_last(self) -> None:
        await compare_with_last(self.app, self._rows[self.rows.cursor].folder if self._rows else None)

    def _say(self, text: str) -> None:
        self.app.bell()
        self._said = text
        self._show_facts()

    def on_key(self) -> None:
        """Comes before what the key does: the same may be said again."""
        if self._said:
            self._said = ""
            self._show_facts()

    def action_resume(self) -> None:
        if self._rows:
            asking = ask_and_resume(self.app, self._rows[self.rows.cursor].folder)
            in_background(self.app, asking, group="resume", exclusive=True)


_ROOMY = 100
"""From this width on there is room for the rate and the day too."""


def _head(width: int) -> Line:
    rate, made = (f"{'rate':<9}", "  made") if width >= _ROOMY else ("", "")
    text = (
        f"    {'state':<16}{'name':<{_name_width(width)}}{'step':>15}  {'loss':<8}{rate}{'speed':>7}{'left':>7}{made}"
    )
    return ((text, "label"),)


def _name_width(width: int) -> int:
    return min(width - 81, 30) if width >= _ROOMY else max(8, width - 60)


def _line(row: RunRow, width: int, *, marked: bool) -> Line:
    status = row.status
    word, role = wording.state_piece(row.state)
    live = row.state == "running"
    step = f"{wording.count(status.step)}/{wording.count(status.steps)}" if status else wording.DASH
    speed = wording.speed(status.steps_per_second) if status and status.steps_per_second else wording.DASH
    left = wording.duration(status.eta_seconds) if status and live else wording.DASH
    room = _name_width(width)
    rate, made = "", ""
    if width >= _ROOMY:
        rate = f"{wording.rate(status.learning_rate if status else None):<9}"
        made = f"  {row.folder.path.parent.name}"
    return (
        ("* " if marked else "  ", "accent"),
        (f"{word:<16}", role),
        (wording.column(row.folder.name, room - 1) + " ", "value"),
        (f"{step:>15}  ", ""),
        (f"{wording.loss(status.loss if status else None):<8}", ""),
        (f"{rate}{speed:>7}{left:>7}{made}", "label"),
    )


def _facts(row: RunRow, width: int) -> list[Line]:
    status = row.status
    pairs = [("folder", wording.cut_path(str(row.folder.path), width - 8))]
    lines = wording.flow(pairs, width)
    if status is not None:
        best = wording.count(status.best_step) if status.best_step is not None else wording.DASH
        numbers = [
            ("loss", wording.loss(status.loss)),
            ("eval", wording.loss(status.evaluation)),
            ("best at step", best),
        ]
        lines += wording.flow([*numbers, ("on", status.device or wording.DASH)], width)
    if row.reason:
        lines += [((text, "bad"),) for text in wrapped(row.reason, width)]
    if row.state == "paused" and status is not None and status.released:
        goes_on = f"{name_of('runs.resume')} goes on with a new worker"
        lines.append(((f"its memory is given back; {goes_on}", "warning"),))
    if row.state == "lost":
        key = name_of("runs.resume")
        lines.append(((f"{key} goes on with it, and so does: tinv-tui resume {row.folder.handle}", "bad"),))
    return lines


def _read_rows() -> list[RunRow]:
    from tinv_tui.runs.folder import all_runs
    from tinv_tui.runs.liveness import reason_of, state_of

    rows = []
    for folder in all_runs()[:_MOST_RUNS]:
        state, status = state_of(folder)
        reason = _reason(folder) if state == "failed" else ""
        if state in ("lost", "not-responding"):
            reason = reason_of(folder, state, status)
        rows.append(RunRow(folder, state, status, reason))
    return rows


def _reason(folder: RunFolder) -> str:
    """The last word of a run: its last line is short, so the file is not read from the top."""
    try:
        with folder.events.open("rb") as file:
            file.seek(max(0, folder.events.stat().st_size - _TAIL_BYTES))
            last = json.loads(file.read().splitlines()[-1])
        return f"{last.get('reason', '')}. {last.get('hint', '')}".strip(". ")
    except (OSError, ValueError, IndexError, AttributeError):
        return ""
