"""What there is to choose from for a field: known names, bundled things, what earlier runs used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tinv_tui import paths
from tinv_tui.app.embedding_notes import in_words
from tinv_tui.app.fields import FIELDS
from tinv_tui.app.form_values import text_of
from tinv_tui.app.offer import FROM_PICTURE, Offer
from tinv_tui.datasets.captioner_models import TAGGERS, presence
from tinv_tui.embeddings import library
from tinv_tui.embeddings.shelves import read_shelves
from tinv_tui.errors import InputError
from tinv_tui.models import bundled
from tinv_tui.models.browse import list_models, list_vaes
from tinv_tui.models.identify import identify
from tinv_tui.recipe import field_of
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.folder import all_runs

_LOOK_BACK = 30
_PATHS = ("model.path", "model.vae", "dataset.path", "preview.tiny_vae")


def offers_for(key: str, texts: Mapping[str, str]) -> list[Offer]:
    """Values for ``section.key`` of a form that says ``texts``, most likely ones first; empty when there are none."""
    match key:
        case "model.path":
            ours = Offer(bundled.NAME, "the tiny model that ships with the program")
            return _distinct([ours, *_of_earlier_runs(key), *_base_models()])
        case "model.vae":
            return _distinct([*_of_earlier_runs(key), *_vaes()])
        case "dataset.path":
            return _distinct([*_bundled_sets(), *_of_earlier_runs(key)])
        case "dataset.template":
            known = [Offer(name, _first_line(path)) for name, path in paths.template_files().items()]
            return _distinct([*known, *_of_earlier_runs(key)])
        case "embedding.name" | "embedding.continue_from":
            return _of_the_library(key, texts.get("model.path", ""))
        case "preview.prompts":
            ask = Offer(FROM_PICTURE, "prompt, sampler, seed … from a PNG made by A1111 or Forge")
            return [ask, *_distinct(_of_earlier_runs(key))]
        case "preprocess.tagger":
            return [Offer(name, _presence(name)) for name in TAGGERS]
        case _:
            choices = getattr(field_of(key).annotation, "__args__", ())
            words = [Offer(choice) for choice in choices if isinstance(choice, str)]
            return words or _distinct(_of_earlier_runs(key))


def _presence(tagger: str) -> str:
    found = presence(tagger)
    return "on this machine" if found.folder is not None else found.command


def _base_models() -> list[Offer]:
    try:
        entries = list_models().entries
    except InputError:
        return []  # the model browser says what is wrong with the settings
    return [Offer(e.value, f"{e.family}, native {e.native_size} px" if not e.reason else "", e.reason) for e in entries]


def _vaes() -> list[Offer]:
    try:
        return [Offer(str(path), "of another program") for path in list_vaes()]
    except InputError:
        return []


def _bundled_sets() -> list[Offer]:
    try:
        return [Offer(str(folder), f"bundled: {bundled.SETS[name]}") for name, folder in bundled.picture_sets().items()]
    except OSError:
        return []


def _of_earlier_runs(key: str) -> list[Offer]:
    """What the field said for the newest runs; a file or folder only while it is there."""
    if key not in FIELDS:
        return []
    section, _, name = key.partition(".")
    found: list[Offer] = []
    for run in all_runs()[:_LOOK_BACK]:
        try:
            text = text_of(getattr(getattr(load_recipe(run.recipe), section), name))
        except InputError:
            continue
        is_there = key not in _PATHS or text == bundled.NAME or Path(text).exists()
        if text and text != FIELDS[key].blank and is_there:
            found.append(Offer(text, f"used by {run.name}"))
    return found


def _of_the_library(key: str, model_path: str) -> list[Offer]:
    """Every file of the library; those the base model cannot take, and those that cannot be read, with the reason."""
    try:
        model = identify(model_path, Path.cwd()) if model_path.strip() else None
    except InputError:
        model = None
    found = []
    for entry in _shelves() if key == "embedding.continue_from" else library.read_all(paths.embeddings_folder()):
        if entry.embedding is None:
            found.append(Offer(entry.path.name, reason=entry.reason))
        else:
            reason = entry.reason or (library.misfit(entry.embedding, model) if model is not None else "")
            value = entry.name if key == "embedding.name" else entry.to_continue
            if not reason and key == "embedding.name" and value != entry.to_continue:
                value, reason = entry.path.name, "a run can go on from it, but not replace it"
            found.append(Offer(value, in_words(entry.embedding), reason))
    return found


def _shelves() -> list[library.Entry]:
    try:
        return read_shelves()
    except InputError:
        return library.read_all(paths.embeddings_folder())


def _distinct(offers: list[Offer]) -> list[Offer]:
    return list({offer.value: offer for offer in reversed(offers)}.values())[::-1]


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, UnicodeDecodeError):
        return "cannot be read"
