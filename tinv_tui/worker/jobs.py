"""``python -m tinv_tui.worker.jobs KIND``: one short task, told on stdin, answered on stdout (see ``runs.jobs``).

A job is a module of this package with ``run(arguments, desk)``, which returns what is answered.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from tinv_tui.errors import InputError, as_input_error, in_words
from tinv_tui.telemetry.room import room_for_training
from tinv_tui.worker.device import show_torch_only

KINDS: dict[str, str] = {
    "bench-engine": "bench.engine",
    "bench-plain": "bench.plain",
    "caption": "caption_job",
    "fetch": "fetch_job",
    "preprocess": "preprocess_job",
    "generate": "generate",
    "probe": "probe",
    "random-model": "bench.random_model",
}
"""Kind to module name."""


class Cancelled(BaseException):
    """Raised out of a job that was told to stop."""


class Desk:
    """Where a job reports to."""

    def __init__(self) -> None:
        self._told_to_stop = threading.Event()
        # Libraries print: their words must not end up between the answers.
        self._answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        signal.signal(signal.SIGTERM, self._stop)

    def progress(self, done: int, total: int, **more: Any) -> None:
        """Tell how far the job is, and end it here if it was told to stop. Raises Cancelled."""
        self.check()
        self._say({"kind": "progress", "done": done, "total": total, **more})

    def check(self) -> None:
        """Raise Cancelled if the job was told to stop. For long stretches without progress."""
        if self._told_to_stop.is_set():
            raise Cancelled

    def answer(self, kind: str, content: dict[str, Any]) -> None:
        self._say({"kind": kind, **content})

    def take_arguments(self) -> dict[str, Any]:
        """The arguments; from here on, the asking process going away stops the job."""
        arguments: dict[str, Any] = json.loads(sys.stdin.readline())
        threading.Thread(target=self._watch_stdin, daemon=True).start()
        return arguments

    def _say(self, content: dict[str, Any]) -> None:
        try:
            print(json.dumps(content), file=self._answers, flush=True)
        except BrokenPipeError:
            raise Cancelled from None

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._told_to_stop.set()

    def _watch_stdin(self) -> None:
        sys.stdin.read()
        self._told_to_stop.set()


def main() -> int:
    """Exit codes: 0 done, 1 broken, 2 bad input, 130 told to stop."""
    kind = sys.argv[1]
    desk = Desk()
    arguments = desk.take_arguments()
    show_torch_only(room_for_training())
    try:
        result = importlib.import_module(f"tinv_tui.worker.{KINDS[kind]}").run(arguments, desk)
        desk.answer("result", result)
    except Cancelled:
        return 130
    except InputError as error:
        return _refused(desk, error)
    except OSError as error:
        wrong = as_input_error(error)
        if wrong is not None:
            return _refused(desk, wrong)
        if error.filename is None:
            raise
        print(in_words(error), file=sys.stderr)  # a full disk: no more is to be said than what and where
        return 1
    return 0


def _refused(desk: Desk, wrong: InputError) -> int:
    desk.answer("input-error", {"code": wrong.code, "message": wrong.message, "hint": wrong.hint})
    return 2


if __name__ == "__main__":
    sys.exit(main())
