"""The run on the screen: started or attached to, watched, told what to do. Letting go of it changes nothing for it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from textual.app import App
from textual.notifications import SeverityLevel

from tinv_tui.app.background import in_background
from tinv_tui.app.link import between_looks
from tinv_tui.app.messages import RunLooked, WorkFailed
from tinv_tui.errors import InputError, in_one_line

if TYPE_CHECKING:
    from tinv_tui.app.watcher import RunNow
    from tinv_tui.recipe import Recipe
    from tinv_tui.runs.folder import RunFolder
    from tinv_tui.runs.history import Level, LogLine
    from tinv_tui.runs.run import Run

LOOK_SECONDS = 1.0
_AFTER_TROUBLE_SECONDS = 5.0
_SAID_SECONDS = 6.0
_SEVERITIES: Final[dict[Level, SeverityLevel]] = {
    "plain": "information",
    "good": "information",
    "warning": "warning",
    "bad": "error",
}


class RunControl:
    """One run at a time; those started before are only kept to be reaped when they end."""

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self._started: list[Run] = []
        self.run: Run | None = None
        self.now: RunNow | None = None
        self.notes: list[LogLine] = []
        """What the app itself has to say in the log."""
        self._look_now = asyncio.Event()

    @property
    def is_live(self) -> bool:
        return self.now is not None and self.now.is_live

    async def start(self, recipe: Recipe, wait_free_bytes: int = 0) -> None:
        """Start a run and watch it. Raises InputError when the recipe cannot be run, and then nothing is left behind.

        It begins when its device has ``wait_free_bytes`` of free memory.
        """
        from tinv_tui.runs.run import Run

        run = await Run.start(recipe, wait_free_bytes=wait_free_bytes)
        self._started.append(run)
        self._watch(run)

    def attach(self, folder: RunFolder) -> None:
        """Watch a run that is there already, live or not."""
        self._watch(self._handle(folder))

    async def resume(self, folder: RunFolder, *, steps: int | None = None, anyway: bool = False) -> None:
        """Start a worker on a run again, to a new total of ``steps``. Raises InputError, and then nothing has changed."""
        run = self._handle(folder)
        await run.resume(steps=steps, anyway=anyway)
        self._keep(run)

    def note(self, text: str, level: Level = "plain", *, also_over_the_screen: bool = True) -> None:
        """Say something in the log, and over the screen for a while where the log is out of sight."""
        from tinv_tui.runs.history import LogLine

        self.notes.append(LogLine(datetime.now().astimezone(), text, level))
        self._app.post_message(RunLooked(self.now))
        if not also_over_the_screen or not self._app.is_running:
            return
        if not any(pane.region for pane in self._app.screen.query("#log-pane")):
            self._app.notify(text, severity=_SEVERITIES[level], timeout=_SAID_SECONDS, markup=False)

    def tell(self, command: str, *, to: Run | None = None, **arguments: Any) -> None:
        """Leave a command; its answer comes back as an event, a refusal as a note in the log.

        ``to`` is the run that a question was about, where another may be on the screen when it is answered.
        """
        run = to or self.run
        if run is not None:
            in_background(self._app, self._tell(run, command, arguments), group="command")

    async def _tell(self, run: Run, command: str, arguments: dict[str, Any]) -> None:
        try:
            if command == "unpause":
                await run.unpause()
                self._keep(run)
            else:
                await run.command(command, **arguments)
        except InputError as error:
            self.note(f"{error.message}. {error.hint}".strip(), "warning")
        except OSError as error:
            self.note(f"{run.folder.name} was not told: {error}", "bad")
        self._look_now.set()

    def end(self, folder: RunFolder, *, kill: bool) -> None:
        """End the process of a run's worker, for where it does not hear commands."""
        from tinv_tui.runs.ending import kill_worker, terminate_worker

        try:
            kill_worker(folder) if kill else terminate_worker(folder)
        except InputError as error:
            self.note(f"{error.message}. {error.hint}", "warning")
        self._look_now.set()

    def _handle(self, folder: RunFolder) -> Run:
        from tinv_tui.runs.run import Run

        return next((run for run in self._started if run.folder == folder), None) or Run(folder)

    def _keep(self, run: Run) -> None:
        """A run that got a worker from here has to be reaped from here."""
        if run not in self._started:
            self._started.append(run)

    def _watch(self, run: Run) -> None:
        self.run, self.now = run, None
        in_background(self._app, self._look_on(run), group="watch", exclusive=True)

    async def _look_on(self, run: Run) -> None:
        """Look once a second; once the run has ended, now and then, as it may be resumed elsewhere."""
        from tinv_tui.app.watcher import RunWatcher
        from tinv_tui.settings import wants_bell  # pydantic, which the first frame does not wait for

        watcher, trouble = RunWatcher(run), ""
        while True:
            self._look_now.clear()
            try:
                now = await asyncio.to_thread(watcher.look)
            except Exception as error:  # noqa: BLE001  a screen that stands still would tell of a run that does
                if in_one_line(error) != trouble:  # said once, however often it is tried
                    self._app.post_message(WorkFailed(error))
                watcher, trouble = RunWatcher(run), in_one_line(error)
                await asyncio.sleep(_AFTER_TROUBLE_SECONDS)
                continue
            trouble = ""
            if self.is_live and not now.is_live and await asyncio.to_thread(wants_bell):
                self._app.bell()
            self.now = now
            self._app.post_message(RunLooked(now))
            try:
                seconds = between_looks(self._app, LOOK_SECONDS if now.is_live else 5 * LOOK_SECONDS)
                await asyncio.wait_for(self._look_now.wait(), seconds)
            except TimeoutError:
                pass
