"""All settings of a run: the only declaration of every option.

The form's fields, their help (the text under each field), the keys of a recipe file and the ``--set`` flags come from
here.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

from pydantic import ValidationError, field_validator

from tinv_tui.errors import InputError
from tinv_tui.schedule import parse_rates
from tinv_tui.sections import (
    DatasetSection,
    EmbeddingSection,
    ModelSection,
    PreprocessSection,
    PreviewSection,
    SavingSection,
    Section,
    TrainingSection,
)


class Recipe(Section):
    """A complete recipe. Build it with :func:`load_recipe` or :func:`make_recipe`, whose errors speak to the user."""

    model: ModelSection = ModelSection()
    embedding: EmbeddingSection = EmbeddingSection()
    dataset: DatasetSection = DatasetSection()
    training: TrainingSection = TrainingSection()
    saving: SavingSection = SavingSection()
    preview: PreviewSection = PreviewSection()
    preprocess: PreprocessSection = PreprocessSection()

    @field_validator("dataset", "preview", "preprocess")
    @classmethod
    def _sizes_fit_the_latents(cls, section: Any) -> Any:
        for key in ("width", "height"):
            if getattr(section, key) % 8:
                raise ValueError(f"{key} must be a multiple of 8")
        return section

    @property
    def samples_per_step(self) -> int:
        return self.training.batch_size * self.training.gradient_accumulation

    def steps_per_epoch(self, pictures: int) -> int:
        """Whole steps that go through a dataset of so many pictures once, repeats counted; at least 1."""
        return max(1, pictures * self.dataset.repeats // self.samples_per_step)

    def check_rates(self) -> None:
        """Raise InputError when a rate text cannot be read."""
        t = self.training
        parse_rates(t.learning_rate, t.steps, t.rate_steps)
        parse_rates(t.clip_schedule, t.steps, t.rate_steps, key="training.clip_schedule")

    def check_pattern(self) -> None:
        """Raise InputError when the expression for file names is none."""
        pattern = self.dataset.filename_regex
        try:
            re.compile(pattern)
        except re.error as error:
            raise InputError(
                "regex",
                f"dataset.filename_regex = {pattern!r}: {error}",
                "Give a Python regular expression, or nothing.",
            ) from None


REQUIRED = ("model.path", "embedding.name", "dataset.path")
"""Keys without a usable default."""


def field_of(key: str) -> Any:
    """pydantic's FieldInfo of ``section.key``: default, annotation, limits, and the help text as ``description``."""
    section, _, name = key.partition(".")
    return Recipe.model_fields[section].annotation.model_fields[name]  # type: ignore[union-attr]


def all_keys() -> list[str]:
    """Every ``section.key``, in the order of declaration."""
    return [f"{s}.{k}" for s, info in Recipe.model_fields.items() for k in info.annotation.model_fields]  # type: ignore[union-attr]


def make_recipe(values: dict[str, Any], source: str = "recipe") -> Recipe:
    """A recipe from nested tables; ``source`` names them in errors. Raises InputError naming key, value and range."""
    for key in (f"{s}.{k}" for s, table in values.items() if isinstance(table, dict) for k in table):
        if key not in all_keys():
            raise unknown_key(key, source)
    for section, table in values.items():
        if section not in Recipe.model_fields:
            raise unknown_key(section, source)
        if not isinstance(table, dict):
            raise InputError(
                "recipe-type", f"{source}: {section} must be a table", f"Write [{section}] above its keys."
            )
        check_texts(section, table, f"{source}: ")
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        raise _from_pydantic(error, values, source) from None
    recipe.check_rates()
    recipe.check_pattern()
    return recipe


def _is_text(value: Any) -> bool:
    """False for a string no file of text can hold: what was typed, or is the name of a file, may be any bytes."""
    return not isinstance(value, str) or ("\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value))


def require_complete(recipe: Recipe, source: str = "recipe") -> None:
    """Raise InputError for the first required key that is empty."""
    for key in REQUIRED:
        section, _, name = key.partition(".")
        if not getattr(getattr(recipe, section), name).strip():
            help_text = " ".join((field_of(key).description or "").split())
            raise InputError("recipe-missing", f"{source}: {key} is required", help_text)


def is_text(key: str) -> bool:
    """Whether the key holds plain text (free, or one of fixed words)."""
    return isinstance(field_of(key).default, str)


def is_of_words(key: str) -> bool:
    """Whether the key holds a list of fixed words, which can be written with commas between them."""
    items = next(iter(getattr(field_of(key).annotation, "__args__", ())), None)
    return isinstance(field_of(key).default, tuple) and bool(getattr(items, "__args__", ()))


def check_texts(section: str, table: dict[str, Any], before: str = "") -> None:
    """Raise InputError, which begins with ``before``, for the first text of a section that no file of text can hold."""
    for key, value in table.items():
        if not all(map(_is_text, value if isinstance(value, list | tuple) else [value])):
            raise InputError(
                "recipe-text",
                f"{before}{section}.{key} = {value!r} holds what is no text",
                "Text is UTF-8 without NUL. A file or folder named otherwise can be given by a link with a plain name.",
            )


def allowed_values(key: str) -> str:
    """What a key may hold, in words: "a whole number, 1 or more", "one of off, value, norm"."""
    info = field_of(key)
    choices = getattr(info.annotation, "__args__", ())
    if choices and all(isinstance(c, str) for c in choices):
        return f"one of {', '.join(choices)}"
    inner = getattr(choices[0], "__args__", ()) if choices else ()
    if inner:
        return f"a list of any of {', '.join(inner)}"
    if isinstance(info.default, bool):
        return "true or false"
    if isinstance(info.default, tuple):
        return 'a list, as in ["one", "two"]'
    if isinstance(info.default, str):
        return "text"
    low = next((m.ge for m in info.metadata if hasattr(m, "ge")), None)
    high = next((m.le for m in info.metadata if hasattr(m, "le")), None)
    kind = "a whole number" if isinstance(info.default, int) else "a number"
    if low is not None and high is not None:
        return f"{kind} from {low} to {high}"
    return f"{kind}, {low} or more" if low is not None else kind


def unknown_key(key: str, source: str, *, is_setting: bool = False) -> InputError:
    """What to say of a key that is none. ``is_setting``: a section alone is not what was meant."""
    sections = list(Recipe.model_fields)
    known = all_keys() if "." in key else sections
    elsewhere = [k for k in all_keys() if k.split(".")[1] == key.split(".")[-1]]
    near = difflib.get_close_matches(key, elsewhere, n=1, cutoff=0) if "." in key else elsewhere[:1]
    hint = f"Known: {', '.join(known)}."
    if is_setting and "." not in key:
        by_name = {k.split(".")[1]: k for k in reversed(all_keys())}
        near = near or [by_name[name] for name in difflib.get_close_matches(key, by_name, n=1, cutoff=0.6)]
        hint = f"A setting is called section.key, as training.steps. Sections: {', '.join(sections)}."
    else:
        near = near or difflib.get_close_matches(key, known, n=1, cutoff=0.4)
    return InputError(
        "recipe-unknown-key", f"{source}: there is no key {key}", f"Did you mean {near[0]}?" if near else hint
    )


def _from_pydantic(error: ValidationError, values: dict[str, Any], source: str) -> InputError:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    key = ".".join(location[:2])
    if first["type"] == "value_error":
        section = location[0]
        bad = next(k for k in ("width", "height") if int(values[section].get(k, 0)) % 8)
        key, allowed = f"{section}.{bad}", "a multiple of 8"
    else:
        allowed = allowed_values(key) if "." in key else "a table"
    value: Any = values
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else value
    return InputError("recipe-value", f"{source}: {key} = {value!r} is not {allowed}", f"{key} takes {allowed}.")
