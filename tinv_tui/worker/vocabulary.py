"""``python -m tinv_tui.worker.vocabulary``: tokenises for an app, which keeps its own memory small.

Each line on stdin asks something of a model's vocabulary, and one on stdout answers it: ``{"folder": ...}`` alone asks for
its ``begin``, ``end``, ``pad`` and ``size``; with ``"text"`` for the ``ids`` and the ``tokens`` of a text, with ``"number"``
for the ``token`` of an id. ``{"error": ...}`` answers where there is no vocabulary in that folder. The process ends with the
one that asks, and when nobody has asked for a while.
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
    if "text" in asked:
        return {"ids": vocabulary.ids(asked["text"]), "tokens": vocabulary.tokens(asked["text"])}
    if "number" in asked:
        return {"token": vocabulary.token(asked["number"])}
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
