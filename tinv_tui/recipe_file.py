"""Recipe files, TOML with one table per section: read, changed by ``--set``, and written."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinv_tui import paths
from tinv_tui.errors import InputError, why_unreadable
from tinv_tui.presets import apply_presets
from tinv_tui.recipe import Recipe, all_keys, allowed_values, check_texts, is_text, make_recipe, unknown_key

_DEEPEST = 20


def load_recipe(
    path: Path,
    overrides: list[str] | None = None,
    *,
    presets: Sequence[str] = (),
    preview: dict[str, Any] | None = None,
) -> Recipe:
    """Read a TOML recipe and apply ``section.key=value`` overrides. Raises InputError naming file, key and value.

    ``presets`` are names of :mod:`tinv_tui.presets`, which go over what the file says; ``preview`` replaces keys of its
    [preview]. The overrides go over both. Relative paths stay as written; :func:`resolve_paths` makes them absolute.
    """
    values = read_tables(path)
    apply_presets(values, presets)
    if preview:
        values["preview"] = {**values.get("preview", {}), **preview}
    for override in overrides or []:
        apply_override(values, override)
    try:
        return make_recipe(values, str(path))
    except InputError as error:
        told = error.message.removeprefix(f"{path}: ")
        if not any(re.match(rf"{re.escape(read_override(override)[0])}\b", told) for override in overrides or []):
            raise
        raise InputError(error.code, f"--set {told}", error.hint) from None  # the file says something else


def read_tables(path: Path) -> dict[str, Any]:
    """The nested tables of a TOML recipe, unchecked. Raises InputError when it cannot be read."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        _check_depth(values)
        return values
    except FileNotFoundError:
        raise InputError(
            "recipe-not-found", f"there is no recipe at {path}", "Give the path of a recipe.toml."
        ) from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError("recipe-unreadable", f"{path}: {why_unreadable(error)}", "A recipe is a TOML file.") from None


def _check_depth(values: dict[str, Any]) -> None:
    """Raise RecursionError for tables that an error about them could not write out: TOML's dotted keys nest as they like."""
    level: list[Any] = [values]
    for _ in range(_DEEPEST):
        inside = (item for held in level for item in (held.values() if isinstance(held, dict) else held))
        level = [item for item in inside if isinstance(item, dict | list)]
    if level:
        raise RecursionError


def apply_override(values: dict[str, Any], override: str) -> None:
    """Apply one ``section.key=value`` to nested tables. Raises InputError."""
    key, value = read_override(override)
    section, _, name = key.partition(".")
    table = values.setdefault(section, {})
    if isinstance(table, dict):  # anything else is the file's mistake, and make_recipe says so
        table[name] = value


def read_override(override: str, source: str = "--set") -> tuple[str, Any]:
    """Key and value of ``section.key=value``: raw text for text keys, TOML for the rest. Raises InputError."""
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals:
        raise InputError(
            "override-malformed", f"{source} {override}: there is no '='", f"Write {source} section.key=value."
        )
    if key not in all_keys():
        raise unknown_key(key, source, is_setting=True)
    return key, parse_value(key, text)


def parse_value(key: str, text: str) -> Any:
    """The value a user typed for ``section.key``. Raises InputError when a non-text key gets no TOML."""
    if is_text(key):
        return text
    try:
        return tomllib.loads(f"x = {text.strip()}")["x"]
    except (tomllib.TOMLDecodeError, RecursionError):
        kind = allowed_values(key)
        raise InputError("recipe-type", f"{key} = {text!r} is not {kind}", f"Write {kind}.") from None


def resolve_paths(recipe: Recipe, beside: Path) -> Recipe:
    """The recipe with relative paths made absolute against the folder ``beside``, and ``~`` expanded.

    A model or template that is a known name, or a hub id, stays as it is. A model may be a link, whose own name and
    neighbours tell more than its target's; it is not followed. Raises InputError where a path is no text.
    """

    def absolute(text: str) -> str:
        return str((beside / os.path.expanduser(text)).resolve()) if text.strip() else text

    def unfollowed(text: str) -> str:
        return os.path.abspath(beside / os.path.expanduser(text)) if text.strip() else text

    values = recipe.model_dump()
    values["dataset"]["path"] = absolute(recipe.dataset.path)
    values["saving"]["log_directory"] = absolute(recipe.saving.log_directory)
    values["model"]["vae"] = unfollowed(recipe.model.vae)
    values["preview"]["tiny_vae"] = unfollowed(recipe.preview.tiny_vae)
    for key in ("source", "destination", "face_model"):
        values["preprocess"][key] = absolute(values["preprocess"][key])
    known = {("model", "path"): {"bundled"}, ("dataset", "template"): paths.template_files().keys()}
    folders = (("model", "path"), ("preprocess", "blip_model"), ("preprocess", "tagger"))
    for section, key in (*folders, ("dataset", "template"), ("embedding", "continue_from")):
        text = values[section][key]
        if text in known.get((section, key), ()):
            continue
        there = os.path.exists(beside / text) if (section, key) in folders else os.path.isfile(beside / text)
        if key == "continue_from":  # file#term
            there = there or os.path.isfile(beside / text.rpartition("#")[0])
        if text.startswith(("~", ".", "/")) or (text and there):
            values[section][key] = unfollowed(text) if section == "model" else absolute(text)
    for section, table in values.items():
        check_texts(section, table)  # the folder beside may be named as no text is
    return Recipe.model_validate(values)


def to_toml(recipe: Recipe) -> str:
    """The recipe as TOML with every key, each section under its table."""
    import tomlkit  # with the first that is written: most who open the app only look

    document = tomlkit.document()
    for section, values in recipe.model_dump(mode="json").items():
        table = tomlkit.table()
        for key, value in values.items():
            table.add(key, value)
        document.add(section, table)
    return tomlkit.dumps(document)
