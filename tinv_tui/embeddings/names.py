"""What an embedding may be called."""

from __future__ import annotations

from collections.abc import Iterable

from tinv_tui.errors import InputError
from tinv_tui.models.tokenizer import PromptTokenizer

_ALLOWED = "Use letters, digits, spaces and . _ -"

Warnings = list[tuple[str, str]]
"""(code, message) pairs."""


def clean_name(name: str) -> str:
    """The name with every character dropped that is neither alphanumeric nor one of ``. _ -`` and space.

    Raises InputError when nothing is left or the name is a path: a name never leaves its folder.
    """
    if "/" in name or "\\" in name:
        raise InputError(
            "name-path", f"embedding.name: {name!r} holds a path separator", f"A name is no path. {_ALLOWED}"
        )
    cleaned = "".join(c for c in name if c.isalnum() or c in "._- ").strip()
    if not cleaned.strip(". "):
        raise InputError("name-empty", f"embedding.name: nothing usable is left of {name!r}", _ALLOWED)
    if cleaned.startswith("."):
        raise InputError(
            "name-hidden", f"embedding.name: {name!r} starts with a dot", "Start with a letter or a digit."
        )
    if cleaned.startswith("-"):
        raise InputError(
            "name-dash",
            f"embedding.name: {name!r} starts with a dash, as the options of a command do",
            "Start with a letter or a digit.",
        )
    if len(cleaned.encode()) > 200:
        raise InputError("name-long", "embedding.name: the name is longer than 200 bytes", "Use a shorter one.")
    return cleaned


def name_warnings(asked: str, name: str, others: Iterable[str], tokenizer: PromptTokenizer) -> Warnings:
    """What there is to say of ``name``, which :func:`clean_name` has made of what was asked for.

    ``others`` are the names of the embeddings there are; ``tokenizer`` is the base model's.
    """
    said: Warnings = []
    if name != asked:
        said.append(("name-cleaned", f"the embedding is called {name!r}"))
    if len(tokenizer.encode(name)) == 1:
        said.append(
            ("name-ordinary", f"{name!r} is one ordinary word of the model: prompts can no longer mean that word")
        )
    longer = sorted(other for other in others if other != name and other.lower().startswith(name.lower()))
    if longer:
        said.append(("name-prefix", f"{longer[0]!r} starts with {name!r} too: other tools can take one for the other"))
    return said
