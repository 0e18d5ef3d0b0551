"""``python -m tinv_tui.worker.vocabulary``: tokenises for an app, which keeps its own memory small.

Each line on stdin asks something of the vocabulary in a ``folder``, and one on stdout answers it: ``{"folder": ...}`` alone
asks for ``begin``, ``end``, ``pad`` and ``size``; with ``"ids"`` or ``"tokens"`` and a text for those, with ``"token"`` and an
id for that. ``{"error": ...}`` answers where there is no vocabulary in that folder. The process ends with the one that asks,
and when nobody has asked for a while.
"""

from __future__ import annotations

import json
import os
import select
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from tinv_tui.errors import InputError
from tinv_tui.models.vocabulary import ClipVocabulary

_IDLE_SECONDS = 120.0

_vocabulary = lru_cache(maxsize=4)(ClipVocabulary)


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    try:
        vocabulary = _vocabulary(Path(asked["folder"]))
    except InputError as error:
        return {"error": error.message}
    for wanted in ("ids", "tokens", "token"):
        if wanted in asked:
            return {wanted: getattr(vocabulary, wanted)(asked[wanted])}
    return {name: getattr(vocabulary, name) for name in ("begin", "end", "pad", "size")}


def main() -> None:
    """Answer until nobody asks."""
    # Libraries print: their words must not end up between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # Who asks waits for the answer: no second line is ever read ahead, where the system could not tell that it waits.
    while select.select([sys.stdin], [], [], _IDLE_SECONDS)[0] and (line := sys.stdin.readline()):
        print(json.dumps(_answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
