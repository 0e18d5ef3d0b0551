"""What there is to choose from for a field: known names, bundled things, what earlier runs used."""

from __future__ import annotations

from pathlib import Path

from tinv_tui import paths
from tinv_tui.datasets.captioner_models import TAGGERS, presence
from tinv_tui.errors import InputError
from tinv_tui.models import bundled
from tinv_tui.recipe import field_of, load_recipe
from tinv_tui.runs.folder import all_runs

_LOOK_BACK = 30
Values = list[tuple[str, str]]
"""(value, what is said of it)."""


def values_for(key: str) -> Values:
    """Values for ``section.key``, most likely ones first; empty when there is nothing to offer."""
    match key:
        case "model.path":
            return _distinct([(bundled.NAME, "the tiny model that ships with the program"), *_of_earlier_runs(key)])
        case "dataset.path":
            return _distinct([*_bundled_sets(), *_of_earlier_runs(key)])
        case "dataset.template":
            return [(name, _first_line(path)) for name, path in paths.template_files().items()]
        case "embedding.name":
            return [(path.stem, "in the library") for path in sorted(paths.embeddings_folder().glob("*.safetensors"))]
        case "preprocess.tagger":
            return [(name, _presence(name)) for name in TAGGERS]
        case _:
            return [(str(choice), "") for choice in getattr(field_of(key).annotation, "__args__", ())]


def _presence(tagger: str) -> str:
    found = presence(tagger)
    return "on this machine" if found.folder is not None else found.command


def _bundled_sets() -> Values:
    try:
        return [(str(folder), f"bundled: {name}") for name, folder in bundled.picture_sets().items()]
    except OSError:
        return []


def _of_earlier_runs(key: str) -> Values:
    section, _, name = key.partition(".")
    found: Values = []
    for run in all_runs()[:_LOOK_BACK]:
        try:
            value = getattr(getattr(load_recipe(run.recipe), section), name)
        except InputError:
            continue
        if value and (value == bundled.NAME or Path(value).exists()):
            found.append((value, f"used by {run.name}"))
    return found


def _distinct(values: Values) -> Values:
    return list({value: (value, said) for value, said in reversed(values)}.values())[::-1]


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, UnicodeDecodeError):
        return "cannot be read"
