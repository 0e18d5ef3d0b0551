"""What an embedding may be called."""

from __future__ import annotations

from tinv_tui.errors import InputError


def clean_name(name: str) -> str:
    """The name with every character dropped that is neither alphanumeric nor one of ``. _ -`` and space.

    Raises InputError when nothing is left or the name is a path: a name never leaves its folder.
    """
    if "/" in name or "\\" in name:
        raise InputError(
            "name-path", f"embedding.name: {name!r} holds a path separator", "A name is one word, not a path."
        )
    cleaned = "".join(c for c in name if c.isalnum() or c in "._- ").strip()
    if not cleaned.strip(". "):
        raise InputError(
            "name-empty", f"embedding.name: nothing usable is left of {name!r}", "Use letters, digits, . _ -"
        )
    if cleaned.startswith("."):
        raise InputError(
            "name-hidden", f"embedding.name: {name!r} starts with a dot", "Start with a letter or a digit."
        )
    if len(cleaned.encode()) > 200:
        raise InputError("name-long", "embedding.name: the name is longer than 200 bytes", "Use a shorter one.")
    return cleaned
