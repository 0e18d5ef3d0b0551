"""Makes any copy of a run its result: the embedding that the library and other tools load."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy

from tinv_tui import paths
from tinv_tui.checkpoint_file import newest_sound
from tinv_tui.embeddings import library
from tinv_tui.embeddings.embedding import STEPS_BEFORE
from tinv_tui.embeddings.files import Embedding, read_embedding, write_embedding
from tinv_tui.embeddings.formats import CARD_SUFFIXES, FORMATS, library_file
from tinv_tui.embeddings.names import clean_name
from tinv_tui.embeddings.packing import split
from tinv_tui.errors import InputError
from tinv_tui.models.hashes import known_hash
from tinv_tui.models.identify import identify
from tinv_tui.recipe import Recipe
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.events import EventReader
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.frozen_dataset import FrozenDataset
from tinv_tui.runs.history import RunHistory
from tinv_tui.runs.liveness import LIVE_STATES, state_of
from tinv_tui.runs.provenance import SmoothedLoss, details_of, history_of

BEST, LAST = "best", "last"


@dataclass(frozen=True)
class Copy:
    """Something that can be used. ``word`` is how it is asked for: a step, "best" or "last"."""

    word: str
    step: int
    said: str
    path: Path | None
    """The file it is in; None where it is only in the checkpoint."""


@dataclass(frozen=True)
class Used:
    """What became the result. ``paths`` are its files, one or more in each format of the recipe; what was there before
    is in ``kept``."""

    paths: tuple[Path, ...]
    embedding: Embedding
    kept: tuple[Path, ...]
    is_live: bool

    @property
    def path(self) -> Path:
        return self.paths[0]

    def in_words(self) -> str:
        first, *more = self.paths
        beside = f" and {', '.join(path.name for path in more)}" if more else ""
        said = f"{first}{beside} now hold{'s'[: not more]} step {self.embedding.step}"
        said += f"; what was there is in {', '.join(path.name for path in self.kept)}" if self.kept else ""
        return said + ("; the run goes on, and will keep this one aside when it ends" if self.is_live else "")


def copies_of(folder: RunFolder) -> list[Copy]:
    """What there is to use: the best and the last vectors, then the copies, newest first."""
    files = _files(folder)
    facts = _checkpoint_facts(folder)
    found: list[Copy] = []
    if facts is not None and facts["best_evaluation"] is not None and facts["best_step"]:
        step = int(facts["best_step"])
        found.append(Copy(BEST, step, f"step {step}, evaluation {facts['best_evaluation']:.4f}", files.get(step)))
    if facts is not None and facts["step"]:
        step = int(facts["step"])
        found.append(Copy(LAST, step, f"step {step}, the newest checkpoint", files.get(step)))
    elif files:
        found.append(Copy(LAST, max(files), f"step {max(files)}, the newest copy", files[max(files)]))
    return found + [Copy(str(step), step, files[step].name, files[step]) for step in sorted(files, reverse=True)]


def use_copy(folder: RunFolder, word: str) -> Used:
    """Make a step, "best" or "last" the result; what was the result is kept beside it. Raises InputError, OSError."""
    copies = copies_of(folder)
    chosen = next((copy for copy in copies if copy.word == (str(int(word)) if word.isdecimal() else word)), None)
    if chosen is None:
        there = ", ".join(f"{c.word} ({c.step})" if c.word in (BEST, LAST) else c.word for c in copies[:12])
        raise InputError(
            "copy-missing",
            f"{folder.name} has no copy {word!r}",
            f"There are: {there}." if there else "It has none yet.",
        )
    recipe = load_recipe(folder.recipe)
    name = clean_name(recipe.embedding.name)
    before = int((_checkpoint_facts(folder) or {}).get("steps_before", 0))
    held = read_embedding(chosen.path) if chosen.path is not None else _from_checkpoint(folder, chosen)
    if chosen.path is None or chosen.path.suffix in CARD_SUFFIXES:
        held = _as_the_run_tells_it(folder, recipe, held, chosen.step)
    details = {key: value for key, value in held.details.items() if key != STEPS_BEFORE}  # they are in its step now
    embedding = replace(
        held, name=name, step=before + chosen.step, details={**details, library.CHOSEN: str(chosen.step)}
    )
    files, kept = _put_on_shelf(name, embedding, recipe, f"before-use-{chosen.step}")
    return Used(files, embedding, kept, state_of(folder)[0] in LIVE_STATES)


def _put_on_shelf(
    name: str, embedding: Embedding, recipe: Recipe, why: str
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Write every format of the recipe: which of several files a name loads is another tool's choice. Its files, and those
    in which what they replace is kept. Raises InputError, OSError."""
    shelf = paths.embeddings_folder()
    shelf.mkdir(parents=True, exist_ok=True)
    files, kept = list[Path](), list[Path | None]()
    for form in (FORMATS[form] for form in recipe.saving.formats):
        path = library_file(shelf, name, form)
        if not _is_held(path, embedding):
            kept.append(library.keep_aside(path, why))
        files += write_embedding(path, embedding, form)
    while (hidden_by := library.what_hides(shelf, name, files)) is not None:
        kept.append(library.keep_aside(hidden_by, why))
        hidden_by.unlink()
    return tuple(files), tuple(path for path in kept if path is not None)


def _files(folder: RunFolder) -> dict[int, Path]:
    """Copies by step; where none was saved, a picture that carries the embedding.

    A step that was made again, at another rate say, has several pictures: the last of them, ``name-20-2``, is of the run.
    """
    found: dict[int, Path] = {}
    name = re.escape(_name(folder))
    for place, suffix in ((folder.image_embeddings, ".png"), (folder.copies, ".safetensors")):
        last = dict[int, int]()
        for path in place.glob(f"*{suffix}"):
            match = re.fullmatch(rf"{name}-(\d+)(?:-(\d+))?{re.escape(suffix)}", path.name)
            if match and int(match[2] or 1) > last.get(int(match[1]), 0):
                last[int(match[1])] = int(match[2] or 1)
                found[int(match[1])] = path
    return found


def _name(folder: RunFolder) -> str:
    return load_recipe(folder.recipe).embedding.name


def _checkpoint_facts(folder: RunFolder) -> dict[str, Any] | None:
    try:
        _, facts = newest_sound(folder.state)
    except (OSError, ValueError):
        return None
    return facts if {"step", "best_step", "best_evaluation"} <= set(facts) else None


def _from_checkpoint(folder: RunFolder, copy: Copy) -> Embedding:
    """The vectors of the checkpoint; read once, so that they are of one moment. Raises InputError."""
    key = "best_vectors" if copy.word == BEST else "vectors"
    try:
        content, facts = newest_sound(folder.state)
        rows = safetensors.numpy.load(content)[key]
        # Checkpoints from before there were families of several text encoders say nothing of what they hold.
        vectors = split(rows, facts.get("tensors") or {"emb_params": rows.shape[1]})
        return Embedding(_name(folder), vectors, int(facts["best_step" if copy.word == BEST else "step"]))
    except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
        raise InputError("checkpoint-broken", f"{folder.state}: {error}", "Use one of the copies.") from None


def _as_the_run_tells_it(folder: RunFolder, recipe: Recipe, held: Embedding, step: int) -> Embedding:
    """With what the worker writes into every copy: a checkpoint and a picture hold little but the vectors."""
    events = EventReader(folder.events).read_new(newest_step_only=True)
    started: Mapping[str, Any] = next((e for e in reversed(events) if e["kind"] == "started"), {})
    family = (_checkpoint_facts(folder) or {}).get("family") or started.get("family")
    base_model, model_hash = held.base_model or started.get("model"), held.base_model_hash
    try:
        model = identify(recipe.model.path, folder.path)
        family = family or model.family.name
        base_model, model_hash = base_model or model.name, model_hash or known_hash(model.path)
    except InputError:
        pass  # the model has been moved: what is not known of it is not told
    try:
        dataset = FrozenDataset.load(folder.dataset)
    except (OSError, ValueError, KeyError) as error:
        raise InputError("checkpoint-broken", f"{folder.dataset}: {error}", "Use one of the copies.") from None
    story = RunHistory()
    story.add_events(events)
    evaluations = [row for row in story.view().evaluations if row[0] <= step]
    best = min(evaluations, key=lambda row: row[1], default=None)
    return replace(
        held,
        base_model=base_model,
        details=details_of(recipe, family, len(dataset.files), model_hash),
        history=history_of(recipe, dataset, SmoothedLoss(folder.losses, up_to=step).last, best),
    )


def _is_held(path: Path, embedding: Embedding) -> bool:
    """Whether the file holds these very vectors."""
    try:
        held = read_embedding(path)
    except InputError:
        return False
    return held.step in (None, embedding.step) and all(  # None: of a format without a place for it
        key in held.vectors and held.vectors[key].tobytes() == rows.tobytes() for key, rows in embedding.vectors.items()
    )
