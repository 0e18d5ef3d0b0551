"""``python -m tinv_tui.worker.looker``: looks through the pixels of datasets for an app, which keeps its own memory small.

A line on stdin asks: ``{"paths": [...], "side": 512}``, and takes the place of what was asked before; ``{}`` asks for nothing.
On stdout come ``{"done": 3, "total": 20}`` now and then, and at last ``{"look": ...}``, or ``{"left": true}`` where another
line came before the end: one of the two for each that asked. What was seen is kept, so that a dataset that hardly changed is
looked through in no time; it is gone with this process, which ends at once with the one that asks, and when nobody has asked
for a while.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

_THREADS = 2
_IDLE_SECONDS = 600.0
_SAY_SECONDS = 0.2


class _Left(Exception):
    """Nobody waits for the outcome any more."""


class _Desk:
    """Where it is asked, and where it answers."""

    def __init__(self) -> None:
        # Libraries print: their words must not end up between the answers.
        self._answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._saying = threading.Lock()
        self._asked = threading.Condition()
        self._newest: dict[str, Any] | None = None
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            with self._asked:
                before, self._newest = self._newest, json.loads(line)
                self._asked.notify()
            if before:
                self.say({"left": True})  # before it was begun
        os._exit(0)  # whatever a library is caught in

    def take(self) -> dict[str, Any] | None:
        """What is asked next; None when nobody has asked for a while."""
        with self._asked:
            self._asked.wait_for(lambda: self._newest is not None, _IDLE_SECONDS)
            asked, self._newest = self._newest, None
            return asked

    @property
    def is_left(self) -> bool:
        with self._asked:
            return self._newest is not None

    def say(self, content: dict[str, Any]) -> None:
        with self._saying:
            print(json.dumps(content), file=self._answers, flush=True)


def main() -> None:
    """Answer until nobody asks."""
    desk, said = _Desk(), 0.0
    from tinv_tui.datasets.looking import look_through  # it takes a while, and who asks shall not wait to be heard

    def progress(done: int, total: int) -> None:
        nonlocal said
        if time.monotonic() - said >= _SAY_SECONDS:
            said = time.monotonic()
            desk.say({"done": done, "total": total})

    def still_wanted() -> None:
        if desk.is_left:
            raise _Left

    while (asked := desk.take()) is not None:
        if not asked:
            continue
        try:
            paths = list(map(Path, asked["paths"]))
            look = look_through(paths, asked["side"], progress=progress, still_wanted=still_wanted, threads=_THREADS)
        except _Left:
            desk.say({"left": True})
        else:
            desk.say({"look": look.to_json()})


if __name__ == "__main__":
    main()
