"""``python -m tinv_tui.worker.looker``: looks through the pixels of datasets for an app, which keeps its own memory small.

A line on stdin asks: ``{"paths": [...], "side": 512}``, and takes the place of what was asked before; ``{}`` asks for nothing.
On stdout come ``{"done": 3, "total": 20}`` now and then, and at last ``{"look": ...}``, or ``{"left": true}`` where another
line came before the end. What was seen is kept, so that a dataset that hardly changed is looked through in no time; it is
gone with this process, which ends with the one that asks, and when nobody has asked for a while.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tinv_tui.datasets.looking import look_through

_THREADS = 2
_IDLE_SECONDS = 60.0
_SAY_SECONDS = 0.2


class _Left(Exception):
    """Nobody waits for the outcome any more."""


class _Desk:
    """Where it is asked, and where it answers."""

    def __init__(self) -> None:
        # Libraries print: their words must not end up between the answers.
        self._answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._asked = threading.Condition()
        self._newest: dict[str, Any] | None = None
        self._is_closed = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            with self._asked:
                self._newest = json.loads(line)
                self._asked.notify()
        with self._asked:
            self._is_closed = True
            self._asked.notify()

    def take(self) -> dict[str, Any] | None:
        """What is asked next; None when nobody asks any more."""
        with self._asked:
            self._asked.wait_for(lambda: self._is_closed or self._newest is not None, _IDLE_SECONDS)
            asked, self._newest = self._newest, None
            return None if self._is_closed else asked

    @property
    def is_left(self) -> bool:
        with self._asked:
            return self._is_closed or self._newest is not None

    def say(self, content: dict[str, Any]) -> None:
        print(json.dumps(content), file=self._answers, flush=True)


def main() -> None:
    """Answer until nobody asks."""
    desk, said = _Desk(), 0.0

    def progress(done: int, total: int) -> None:
        nonlocal said
        if desk.is_left:
            raise _Left
        if time.monotonic() - said >= _SAY_SECONDS:
            said = time.monotonic()
            desk.say({"done": done, "total": total})

    while (asked := desk.take()) is not None:
        if not asked:
            continue
        try:
            look = look_through(list(map(Path, asked["paths"])), asked["side"], progress=progress, threads=_THREADS)
        except _Left:
            desk.say({"left": True})
        else:
            desk.say({"look": look.to_json()})


if __name__ == "__main__":
    main()
