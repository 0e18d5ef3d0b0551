"""Hears what is asked of a worker that does not train yet: to end is obeyed, all else waits for the first step."""

from __future__ import annotations

import time

from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.inbox import Command, take_commands
from tinv_tui.worker.reporter import Reporter
from tinv_tui.worker.signals import Signals

_INBOX_SECONDS = 0.1


class EndedEarly(Exception):
    """The worker was told to end before its first step; ``released`` when its run is only paused."""

    def __init__(self, *, released: bool = False) -> None:
        super().__init__("told to end before the first step")
        self.released = released


class EarlyDesk:
    """Looked at while the model is loaded and the pictures are encoded."""

    def __init__(self, folder: RunFolder, signals: Signals, reporter: Reporter) -> None:
        self._folder = folder
        self._signals = signals
        self._reporter = reporter
        self._looked = 0.0
        self.waiting: list[Command] = []
        """Commands for when training has begun, oldest first."""

    def look(self) -> None:
        """Raises EndedEarly; called as often as there is something to count, it looks at most ten times a second."""
        if self._signals.stop.is_set():
            raise EndedEarly
        if time.monotonic() - self._looked >= _INBOX_SECONDS:
            self._looked = time.monotonic()
            self.waiting += take_commands(self._folder.inbox, self._reporter.refused)
            self._end_if_asked()

    def ends(self) -> bool:
        """:meth:`look`, asked as a question: told to end, it raises EndedEarly."""
        self.look()
        return False

    def _end_if_asked(self) -> None:
        for command in self.waiting:
            released = command.command == "pause" and bool(command.args.get("release"))
            if released or command.command == "stop":
                said = "paused" if released else "stopping"
                self._reporter.answer(command, True, f"{said} before the first step")
                raise EndedEarly(released=released)
