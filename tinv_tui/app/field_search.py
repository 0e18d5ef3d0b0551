"""Which fields of a form a few words mean."""

from __future__ import annotations

import re

from tinv_tui.app.fields import Field
from tinv_tui.recipe import field_of


def is_meant(field: Field, words: str) -> bool:
    """Whether all the words begin one of the field's label, its setting's name or its help; none mean every field."""
    return has_all(_told_of(field), words)


def is_called(field: Field, words: str) -> bool:
    """Whether all the words begin one of the field's label."""
    return has_all(field.label.casefold(), words)


def is_named(field: Field, words: str) -> bool:
    """Whether all the words begin one of the field's label or of its setting's name."""
    return has_all(f"{field.name} {field.key} {field.key.replace('_', ' ')}".casefold(), words)


def has_all(told: str, words: str) -> bool:
    """Whether all the words begin one of a text that is in small letters."""
    return all(re.search(rf"(?<!\w){re.escape(word)}", told) for word in words.casefold().split())


def _told_of(field: Field) -> str:
    named = [field.label, field.key, field.key.replace("_", " "), *field.words.values()]
    if field.options:
        named += [word for _, word in field.options]
    else:
        named.append(" ".join((field_of(field.key).description or "").split()))
    return " ".join(named).casefold()
