"""Asks a process of its own what the tokens of a text are.

That process (``tinv_tui.worker.vocabulary``) is started when it is needed, and ends when nobody asks for a while: the library
and CLIP's 49,408 tokens take some 20 MB, which an app that is open for days would keep.
"""

from __future__ import annotations

import json
import select
import subprocess
import threading
from pathlib import Path
from typing import Any

from tinv_tui.app.helper import start_helper, write_line
from tinv_tui.errors import InputError

_PATIENCE_SECONDS = 30.0
"""Longer than a busy machine takes to start it and to read a vocabulary."""


class Clerk:
    """The process; one question at a time."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self._turn = threading.Lock()

    def ask(self, question: dict[str, Any]) -> dict[str, Any] | None:
        """The answer; None where there is none to be had."""
        with self._turn:
            for _ in range(2):  # it may have ended just then
                try:
                    answer = self._answer(json.dumps(question))
                except (OSError, ValueError):  # it cannot be started; its answer is cut short
                    answer = None
                if answer is not None:
                    return answer
                self._give_up()
        return None

    def _answer(self, question: str) -> dict[str, Any] | None:
        if self.process is None:
            self.process = start_helper("tinv_tui.worker.vocabulary")
        answers = self.process.stdout
        assert answers is not None
        write_line(self.process, question)
        if not select.select([answers], [], [], _PATIENCE_SECONDS)[0]:
            return None
        line = answers.readline()
        return dict(json.loads(line)) if line else None

    def _give_up(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process = None


clerk = Clerk()


class AskedVocabulary:
    """A :class:`tinv_tui.models.tokenizer.Vocabulary`, that in a folder, of which nothing is kept here."""

    def __init__(self, folder: Path) -> None:
        """Raises InputError."""
        self._folder = folder
        told = self._ask()
        self.begin, self.end, self.pad, self.size = (int(told[key]) for key in ("begin", "end", "pad", "size"))

    def ids(self, text: str) -> tuple[int, ...]:
        """The ids of the tokens of a text. Raises InputError, as all do, when the vocabulary is gone meanwhile."""
        return tuple(self._ask(ids=text)["ids"])

    def tokens(self, text: str) -> list[str]:
        """The tokens of a text as they are spelled."""
        return list(self._ask(tokens=text)["tokens"])

    def token(self, number: int) -> str:
        """How one token is spelled; "" where there is none."""
        return str(self._ask(token=number)["token"])

    def _ask(self, **more: Any) -> dict[str, Any]:
        answer = clerk.ask({"folder": str(self._folder), **more})
        if answer is None:
            raise InputError(
                "tokenizer-gone",
                "model.path: the process that tokenises ends before it answers",
                "Is the machine out of memory, or of processes?",
            )
        if "error" in answer:
            raise InputError("model-broken", answer["error"], "The tokenizer is incomplete.")
        return answer
