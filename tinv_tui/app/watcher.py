"""Looks at a run folder again and again; each look gives one frozen picture of the run."""

from __future__ import annotations

from dataclasses import dataclass

from tinv_tui.errors import InputError
from tinv_tui.recipe import Recipe
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.curve import LossTail
from tinv_tui.runs.events import EventReader
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.history import RunHistory, RunView
from tinv_tui.runs.liveness import LIVE_STATES, RunState, has_worker
from tinv_tui.runs.run import Run
from tinv_tui.runs.status import Status


@dataclass(frozen=True)
class RunNow:
    """A run as a viewer sees it."""

    folder: RunFolder
    state: RunState
    status: Status | None
    view: RunView
    recipe: Recipe | None = None
    """What it trains, with what was changed on the way; None where that cannot be read."""

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def is_live(self) -> bool:
        return self.state in LIVE_STATES

    @property
    def has_worker(self) -> bool:
        """Whether there is a process that takes commands and holds memory."""
        return has_worker(self.state, self.status)

    @property
    def eta_seconds(self) -> float | None:
        """Time left: of the steps, or of the run's minutes, which only its worker counts, where those end first.

        None unless it runs: a pause has no end that could be known.
        """
        if self.state != "running":
            return None
        told = self.status.eta_seconds if self.status is not None else None
        found = self.view.eta_seconds
        return found if found is None or told is None else min(found, told)

    @property
    def how_to_come_back(self) -> str:
        """What is said of a live run to whom the app is left by."""
        handle = self.folder.handle
        if not self.has_worker:
            return f"{self.name} stays paused, its memory given back; go on with: tinv-tui unpause {handle}"
        does = "stays paused" if self.state == "paused" else "keeps running"
        return f"{self.name} {does}; come back with: tinv-tui attach {handle}"


class RunWatcher:
    """Reads what is new in a run's folder. For one thread at a time; the first look reads the whole story."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._events = EventReader(run.folder.events)
        self._losses = LossTail(run.folder.losses)
        self._history = RunHistory()
        self._recipe: Recipe | None = None
        self._recipe_of = 0

    def look(self) -> RunNow:
        # The state first: whatever the worker wrote before it ended is then sure to be read with it.
        state, status = self.run.state()
        self._history.follow(self._losses)
        self._history.add_events(self._events.read_new(newest_step_only=self._history.has_table))
        return RunNow(self.run.folder, state, status, self._history.view(), self._read_recipe())

    def _read_recipe(self) -> Recipe | None:
        """Read anew only where it was written anew: a change of a live run is in it."""
        try:
            written = self.run.folder.recipe.stat().st_mtime_ns
            if written != self._recipe_of:
                self._recipe, self._recipe_of = load_recipe(self.run.folder.recipe), written
        except (InputError, OSError):
            self._recipe, self._recipe_of = None, 0
        return self._recipe
