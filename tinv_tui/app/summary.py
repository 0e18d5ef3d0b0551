"""A recipe in few and narrow lines: what a run trains, in the words of the form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tinv_tui.app import wording
from tinv_tui.app.fields import FIELDS
from tinv_tui.app.form_values import in_words, texts_of
from tinv_tui.app.wording import Line
from tinv_tui.printable import wrapped
from tinv_tui.recipe import Recipe

_PATHS: Final = ("model.path", "dataset.path", "embedding.continue_from")
_ALWAYS: Final = (
    "embedding.name",
    "model.path",
    "dataset.path",
    "dataset.template",
    "embedding.vectors",
    "embedding.init_text",
    "embedding.continue_from",
    "training.learning_rate",
    "training.steps",
    "training.batch_size",
    "dataset.width",
    "training.seed",
    "saving.embedding_every",
    "saving.image_every",
)
"""What one looks for, in the order of the form. Of the rest stands there what the recipe says other than by default."""
_SAID_EMPTY: Final = ("embedding.init_text", "training.seed")
_INTERVALS: Final = ("saving.embedding_every", "saving.image_every")
_LABEL = 10


def summary(recipe: Recipe, width: int, height: int) -> list[Line]:
    """At most ``height`` lines; where there is more to say, the last one counts the settings left out."""
    texts, usual = texts_of(recipe, FIELDS), texts_of(Recipe(), FIELDS)
    texts["preview.prompts"] = "; ".join(recipe.preview.prompts)  # a list is not for reading
    trained, drawn = _size(texts, "dataset"), _size(texts, "preview")
    texts |= {"dataset.width": trained, "preview.width": "" if drawn == trained else drawn}
    shown = [key for key in _ALWAYS if texts[key] or key in _SAID_EMPTY]
    others = [key for key in FIELDS if key in texts and key not in _ALWAYS and not key.endswith(".height")]
    shown += [key for key in others if texts[key] != usual[key]]
    lines: list[Line] = []
    for at, key in enumerate(shown):
        told = _told(key, texts[key], width)
        left = len(shown) - at
        if len(lines) + len(told) > height - (left > 1):
            return [*lines, ((f"… {left} more", "label"),)][:height]
        lines += told
    return lines


def _size(texts: Mapping[str, str], section: str) -> str:
    """Width and height in one, which stands in the place of the width; nothing where neither is set."""
    width, height = texts[f"{section}.width"], texts[f"{section}.height"]
    return f"{width or 'own'}×{height or 'own'}" if width or height else ""


def _told(key: str, text: str, width: int) -> list[Line]:
    """A setting: beside its label where it has room there, else below it, in two rows at most."""
    label = FIELDS[key].name
    said = wording.short_path(text) if key in _PATHS else in_words(FIELDS[key], text)
    if key in _INTERVALS and text == "0":
        said = "never"
    beside = width - max(_LABEL, len(label) + 1)
    if len(said) <= beside:
        return [((f"{label:<{_LABEL - 1}} ", "label"), (said, "value"))]
    if key in _PATHS:
        rows = [wording.cut_path(said, width - 2)]
    else:
        rows = wrapped(said, width - 2, most=2)
    return [((label, "label"),), *[(("  ", ""), (row, "value")) for row in rows]]
