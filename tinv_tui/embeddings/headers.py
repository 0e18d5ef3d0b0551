"""What an embedding's file tells of it beside its numbers: our own header, and what other tools write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tinv_tui.embeddings.embedding import Embedding

OUR_KEY = "tinv"
_MOST_BYTES = 60_000
"""Of our header: with the rest of it the file's stays under 64 KiB."""
_LONGEST_READ = 2**20


def header_text(embedding: Embedding) -> str:
    """Our header as JSON: the same embedding gives the same text. A history that is too long is cut, and says so."""
    header: dict[str, Any] = {"name": embedding.name, **embedding.details}
    for key in ("step", "base_model"):
        value = getattr(embedding, key)
        if value is not None:
            header[key] = str(value)
    if embedding.history:
        header["history"] = _fitted(embedding.history, _MOST_BYTES - len(_json(header).encode()))
    return _json(header)


def with_header(embedding: Embedding, text: object) -> Embedding:
    """The embedding with what our header says of it; a damaged header says nothing."""
    header = _read(text)
    history = header.pop("history", {})
    told = {str(key): str(value) for key, value in header.items()}
    step = told.pop("step", "")
    return replace(
        embedding,
        name=told.pop("name", "") or embedding.name,
        step=whole_step(step) if whole_step(step) is not None else embedding.step,
        base_model=told.pop("base_model", embedding.base_model),
        details={**embedding.details, **told},
        history=history if isinstance(history, dict) else {},
    )


def whole_step(value: object) -> int | None:
    """A count of steps as the formats tell it, as a number or in digits; None for anything else."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 16:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15 else None


def _read(text: object) -> dict[str, Any]:
    if not isinstance(text, str) or len(text) > _LONGEST_READ:
        return {}
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}


def _fitted(history: Mapping[str, Any], room: int) -> Any:
    """The history in at most ``room`` bytes: long lists and texts are cut, ever shorter, and each says by how much."""
    most = 4096
    while True:
        cut = _cut(dict(history), most)
        if len(_json(cut).encode()) <= room:
            return cut
        if most < 4:
            return {"cut": "too long to be kept"}
        most //= 2


def _cut(value: Any, most: int) -> Any:
    if isinstance(value, Mapping):
        kept = {str(key): _cut(item, most) for key, item in list(value.items())[:most]}
        return kept | ({"…": f"{len(value) - most} more"} if len(value) > most else {})
    if isinstance(value, list | tuple):
        kept_items = [_cut(item, most) for item in value[:most]]
        return kept_items + ([f"… and {len(value) - most} more"] if len(value) > most else [])
    if isinstance(value, str) and len(value) > 4 * most:
        return f"{value[: 4 * most]}… and {len(value) - 4 * most} characters more"
    return value


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
