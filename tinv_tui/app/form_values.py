"""What stands in the fields of a form, and the recipe it means; without a screen and without torch."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tinv_tui.app.fields import Field
from tinv_tui.errors import InputError
from tinv_tui.presets import Preset
from tinv_tui.recipe import Recipe, all_keys, field_of, is_of_words, make_recipe
from tinv_tui.recipe_file import parse_value

Mark = Literal["✔", "!", "✖", "~"]

_RATES = "training.learning_rate", "training.clip_schedule"
"""What their counts mean is said by other fields."""
_KEY_OF_CODE = {"too-many-vectors": "embedding.vectors"}


@dataclass(frozen=True)
class Checked:
    """What a look through a form found: errors and notes by field, facts for its foot."""

    recipe: Recipe | None = None
    """What the fields say, where all of them can be read."""
    errors: dict[str, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    """Required fields that are still empty; their words are in ``errors`` too."""
    notes: dict[str, str] = field(default_factory=dict)
    facts: tuple[tuple[Mark, str], ...] = ()


def texts_of(recipe: Recipe, fields: Mapping[str, Field]) -> dict[str, str]:
    """What the fields of a form say for a recipe; controls that are no setting of their own are left out."""
    found = {}
    for key, shown in fields.items():
        if not shown.options:
            section, _, name = key.partition(".")
            value = getattr(getattr(recipe, section), name)
            text = ", ".join(value) if is_of_words(key) else text_of(value)
            found[key] = "" if text == shown.blank else text
    return found


@dataclass(frozen=True)
class Change:
    """What a field says other than before, both in the words of the form."""

    key: str
    label: str
    old: str
    new: str


def changes(old: Mapping[str, str], new: Mapping[str, str], fields: Mapping[str, Field]) -> list[Change]:
    """The fields that say something else, in the order of the form."""
    return [
        Change(key, field.name, in_words(field, old[key]), in_words(field, new[key]))
        for key, field in fields.items()
        if key in old and key in new and old[key].strip() != new[key].strip()
    ]


def in_words(field: Field, text: str) -> str:
    """The text of a field as the form shows it: "mean", "yes", and for an empty one what that means."""
    if not text.strip():
        return field.placeholder if field.blank is not None else "nothing"
    return {"true": "yes", "false": "no"}.get(text, field.words.get(text, text))


def text_of(value: Any) -> str:
    """A setting's value as its field says it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return value[0] if len(value) == 1 else json.dumps(list(value), ensure_ascii=False) if value else ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def read_fields(
    texts: Mapping[str, str], base: Recipe, fields: Mapping[str, Field]
) -> tuple[Recipe | None, dict[str, str]]:
    """The recipe a form says, over ``base`` for what it does not show; else None and an error for each bad field."""
    values, errors = base.model_dump(), dict[str, str]()
    for key, text in sorted(texts.items(), key=lambda told: told[0] in _RATES):
        section, _, name = key.partition(".")
        said_by = ("steps", "rate_steps") if key in _RATES else ()
        try:
            value = value_of(key, text, fields[key].blank)
            make_recipe({section: {name: value, **{other: values[section][other] for other in said_by}}})
            values[section][name] = value
        except InputError as error:
            errors[key] = short(error, key)
    if errors:
        return None, errors
    try:
        return make_recipe(values), {}
    except InputError as error:
        return None, {key_of(error) or "": short(error, key_of(error))}


def value_of(key: str, text: str, blank: str | None = None) -> Any:
    """What the text of a field means; an empty one ``blank``. Raises InputError."""
    if not text.strip() and blank is not None:
        text = blank
    if isinstance(field_of(key).default, tuple):
        return [word.strip() for word in text.split(",") if word.strip()] if is_of_words(key) else _several(text)
    return parse_value(key, text)


def _several(text: str) -> list[str]:
    """One prompt as it stands, or several as a list: ``["one", "two"]``."""
    try:
        several = json.loads(text)
    except ValueError:
        several = None
    if isinstance(several, list) and all(isinstance(item, str) for item in several):
        return several
    return [text] if text.strip() else []


def key_of(error: InputError) -> str | None:
    """The setting that an error is about: the first one its message names."""
    if error.code in _KEY_OF_CODE:
        return _KEY_OF_CODE[error.code]
    return next((word for word in re.findall(r"[a-z]+\.[a-z_]+", error.message) if word in all_keys()), None)


def short(error: InputError, key: str | None) -> str:
    """The message without the setting's name, which the field beside it says already."""
    message = re.sub(r"^recipe: ", "", error.message)
    return re.sub(rf"^{re.escape(key)}( =|:)? *", "", message) if key else message


def preset_texts(preset: Preset, fields: Mapping[str, Field]) -> dict[str, str]:
    """What the fields say once a preset is taken."""
    texts = {value.key: text_of(value.value) for value in preset.values}
    return {key: "" if text == fields[key].blank else text for key, text in texts.items()}
