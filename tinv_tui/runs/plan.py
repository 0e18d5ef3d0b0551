"""Works out what a recipe comes to, before anything is started: names, sizes, schedule, prompts, warnings.

Everything that can be known without torch is checked here; what passes can be handed to a worker.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinv_tui import paths
from tinv_tui.datasets.buckets import Size, group_by_size
from tinv_tui.datasets.captions import NameCaptions
from tinv_tui.datasets.checks import CheckSettings, check_headers, mirrors_decide, usable
from tinv_tui.datasets.findings import Finding, by_code, in_one_line
from tinv_tui.datasets.pictures import PictureEntry, list_pictures, usable_pictures, without
from tinv_tui.datasets.templates import NAME, fill_template, read_template
from tinv_tui.embeddings import library
from tinv_tui.embeddings.formats import FORMATS, check_writable
from tinv_tui.embeddings.names import clean_name
from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.identify import identify
from tinv_tui.models.prediction import settle_prediction
from tinv_tui.models.tokenizer import tokenizer_for
from tinv_tui.models.vae_file import check_vaes
from tinv_tui.recipe import Recipe, require_complete
from tinv_tui.recipe_file import resolve_paths
from tinv_tui.runs.beginning import what_it_begins_with
from tinv_tui.runs.folder import all_runs
from tinv_tui.runs.left_open import settled_by_the_run
from tinv_tui.runs.liveness import LIVE_STATES, state_of
from tinv_tui.schedule import Plan, parse_rates


@dataclass(frozen=True)
class RunPlan:
    """A recipe with every open question answered. ``recipe`` holds absolute paths, final name, sizes and seed."""

    recipe: Recipe
    asked_name: str
    """What the embedding was to be called; the recipe has the name that was free."""
    model: BaseModel
    pictures: tuple[PictureEntry, ...]
    groups: dict[Size, list[int]]
    """Positions of the pictures trained at each (width, height)."""
    template: tuple[str, ...]
    rates: Plan
    clips: Plan
    warnings: tuple[tuple[str, str], ...]
    """(code, message) pairs."""
    settled: dict[str, Any]
    """What the recipe left open, by its key, and what that came to."""
    findings: tuple[Finding, ...]
    """What headers and captions tell of the pictures, one by one; the warnings tell the worst of it."""

    @property
    def steps_per_epoch(self) -> int:
        return self.recipe.steps_per_epoch(len(self.pictures))

    def sample_prompts(self, count: int = 5) -> list[str]:
        """Prompts as the trainer will see them, one for each of the first lines and pictures."""
        name = self.recipe.embedding.name
        return [
            fill_template(self.template[i % len(self.template)], self.pictures[i % len(self.pictures)].caption).replace(
                NAME, name
            )
            for i in range(count)
        ]


def plan_run(
    recipe: Recipe,
    beside: Path,
    *,
    source: str = "recipe",
    name_is_settled: bool = False,
    reads_pixels: bool = True,
) -> RunPlan:
    """Answer every open question of a recipe whose relative paths start at ``beside``. Raises InputError.

    ``name_is_settled`` is for a run that is made already: its name is its own. Pixels are read only where mirror images
    among a handful of pictures decide whether there are enough; not at all without ``reads_pixels``.
    """
    require_complete(recipe, source)
    recipe, asked_name = resolve_paths(recipe, beside), recipe.embedding.name
    model = settle_prediction(identify(recipe.model.path, beside), recipe.model.prediction_type)
    warnings = list[tuple[str, str]]()
    name, said = (recipe.embedding.name, []) if name_is_settled else settle_name(recipe)
    warnings += said
    check_library()
    _check_tensorboard(recipe)
    recipe = recipe.model_copy(update={"embedding": recipe.embedding.model_copy(update={"name": name})})
    values = recipe.model_dump()
    folder = Path(recipe.dataset.path)
    there = list_pictures(folder, NameCaptions(recipe.dataset.filename_regex, recipe.dataset.filename_join))
    listed, said = _leave_out(there, recipe, folder)
    warnings += said
    pictures = usable_pictures(folder, listed)
    template = read_template(paths.find_template(recipe.dataset.template, beside))

    width = recipe.dataset.width or model.native_size
    height = recipe.dataset.height or model.native_size
    drawn_width, drawn_height = recipe.preview.width or width, recipe.preview.height or height
    _check_grid(model, {"dataset.width": width, "dataset.height": height})
    _check_grid(model, {"preview.width": drawn_width, "preview.height": drawn_height})
    values["dataset"] |= {"width": width, "height": height}
    values["preview"] |= {"width": drawn_width, "height": drawn_height}
    if recipe.training.seed == -1:
        values["training"]["seed"] = secrets.randbelow(2**31)
    begins_with, said = what_it_begins_with(recipe, model, beside)
    values["embedding"] |= begins_with
    warnings += said
    if model.is_single_file:  # found out or asked once: the run keeps it
        values["model"]["prediction_type"] = model.prediction_type
    check_clip_skip(recipe, model)
    check_formats(recipe, model)
    check_vaes(model, recipe.model.vae, recipe.preview.tiny_vae)
    settings = CheckSettings(
        width,
        height,
        recipe.dataset.sizes,
        model.size_grid,
        tuple(template),
        name,
        values["embedding"]["vectors"],
        tokenizer_for(model.tokenizer_folder),
    )
    findings = _check_pictures(listed, settings, reads_pixels=reads_pixels)
    warnings += _in_few_words(findings, len(listed))
    sizes = [settings.size_of(picture) for picture in pictures]
    rates = parse_rates(recipe.training.learning_rate, recipe.training.steps, recipe.training.rate_steps)
    clips = parse_rates(
        recipe.training.clip_schedule, recipe.training.steps, recipe.training.rate_steps, key="training.clip_schedule"
    )
    warnings += rates.warnings
    if recipe.training.clip != "off":
        warnings += clips.warnings
    groups = group_by_size(sizes)
    fewest = min(len(members) for members in groups.values()) * recipe.dataset.repeats
    if recipe.training.batch_size > fewest:
        said_of = f"{fewest} picture{'s' if fewest > 1 else ''}{' of one size' if len(groups) > 1 else ''}"
        warnings.append(
            (
                "batch-large",
                f"a batch of {recipe.training.batch_size} is drawn from {said_of}: some come up twice in it",
            )
        )
    elif recipe.samples_per_step > len(pictures) * recipe.dataset.repeats:
        warnings.append(
            (
                "step-large",
                f"a step of {recipe.training.gradient_accumulation} batches of {recipe.training.batch_size} goes through "
                f"the {len(pictures)} pictures more than once",
            )
        )
    if recipe.saving.result == "best" and not recipe.training.evaluation_samples:
        said_of = "training.evaluation_samples = 0 measures none"
        warnings.append(("best-unmeasured", f"saving.result = best: {said_of}, so the result is the last"))
    warnings += _preview_warnings(model, name, recipe)
    settled = Recipe.model_validate(values)
    return RunPlan(
        recipe=settled,
        asked_name=asked_name,
        model=model,
        pictures=tuple(pictures),
        groups=groups,
        template=tuple(template),
        rates=rates,
        clips=clips,
        warnings=tuple(warnings),
        settled=settled_by_the_run(recipe, settled),
        findings=tuple(findings),
    )


def check_changes(recipe: Recipe, beside: Path) -> None:
    """Look at what may change in a run that has begun. Raises InputError."""
    _check_tensorboard(recipe)
    model = identify(recipe.model.path, beside)
    check_formats(recipe, model)
    _check_grid(
        model,
        {"preview.width": recipe.preview.width, "preview.height": recipe.preview.height},
    )


def _check_tensorboard(recipe: Recipe) -> None:
    if recipe.saving.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise InputError(
            "tensorboard-missing",
            "saving.tensorboard: the package tensorboard is not installed",
            "pip install 'tinv-tui[tensorboard]', or set it to false.",
        )


def _check_grid(model: BaseModel, sides: dict[str, int]) -> None:
    for key, side in sides.items():
        if side % model.size_grid:
            grid = model.size_grid
            raise InputError("size-grid", f"{key} = {side} is not a multiple of {grid}", f"This model wants {grid}.")


def settle_name(recipe: Recipe) -> tuple[str, list[tuple[str, str]]]:
    """The name to train under, and what there is to say about it."""
    asked = recipe.embedding.name
    cleaned = clean_name(asked)
    said = [("name-cleaned", f"the embedding is called {cleaned!r}")] if cleaned != asked else []
    if recipe.embedding.overwrite or recipe.embedding.continue_from:
        if library.find(paths.embeddings_folder(), cleaned):
            said.append(("name-replaced", f"the embedding {cleaned!r} of the library will be replaced by the result"))
        return cleaned, said
    name = library.free_name(paths.embeddings_folder(), cleaned, names_being_trained(recipe))
    if name != cleaned:
        said.append(("name-taken", f"{cleaned!r} is already trained, or being trained: this one is called {name!r}"))
    return name, said


def check_library() -> None:
    """Raise InputError unless the result's place will be there to write to when hours of training are over."""
    library_folder = paths.embeddings_folder()
    nearest = next(p for p in (library_folder, *library_folder.parents) if p.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise InputError("library-unwritable", f"{nearest} is no folder that can be written to", "Set TINV_HOME.")


def names_being_trained(recipe: Recipe) -> set[str]:
    """Names whose result a living run will still write; a run's folder may be called otherwise (``my-cat-2``)."""
    runs = all_runs()
    if recipe.saving.log_directory:
        runs += all_runs(Path(recipe.saving.log_directory))
    states = [(run, *state_of(run)) for run in runs]
    return {
        status.name if status and status.name else run.name for run, state, status in states if state in LIVE_STATES
    }


def check_clip_skip(recipe: Recipe, model: BaseModel) -> None:
    """Raise InputError when the text encoder has no such layer."""
    if recipe.model.clip_skip > model.encoder_layers:
        raise InputError(
            "clip-skip",
            f"model.clip_skip = {recipe.model.clip_skip}: the text encoder has {model.encoder_layers} layers",
            "",
        )


def check_formats(recipe: Recipe, model: BaseModel) -> None:
    """Raise InputError for a format of the result that has no place for the family's tensors, before hours of training."""
    for name in recipe.saving.formats:
        check_writable(FORMATS[name], model.family.tensors, f"saving.formats: {name}")


def _leave_out(
    there: list[PictureEntry], recipe: Recipe, folder: Path
) -> tuple[list[PictureEntry], list[tuple[str, str]]]:
    """What is there without what the recipe leaves out, and what there is to say about it."""
    exclude = recipe.dataset.exclude
    kept = without(there, exclude)
    if there and not kept:
        raise InputError("dataset-empty", f"dataset.exclude: every picture of {folder} is left out", "Take some back.")
    absent = sorted(set(exclude) - {picture.path.name for picture in there})
    more = f" and {len(absent) - 2} more" if len(absent) > 2 else ""
    said = f"dataset.exclude: {', '.join(absent[:2])}{more}: no picture of that name is in {folder}"
    return kept, [("exclude-absent", said)] if absent else []


def _check_pictures(listed: list[PictureEntry], settings: CheckSettings, *, reads_pixels: bool) -> list[Finding]:
    """What the headers and captions tell; ``tinv-tui check`` looks at the pixels of every picture too."""
    mirrored, paths = 0, [picture.path for picture in usable(listed)]
    if reads_pixels and mirrors_decide(len(paths)):
        from tinv_tui.datasets.looking import count_mirrored  # an app, which plans at each key, does without

        mirrored = count_mirrored(paths)
    return check_headers(listed, settings, mirrored)


def _in_few_words(findings: list[Finding], pictures: int) -> list[tuple[str, str]]:
    """Each kind once."""
    found = [finding for finding in findings if finding.severity != "information"]
    return [(code, in_one_line(alike, pictures)) for code, alike in by_code(found).items()]


def _preview_warnings(model: BaseModel, name: str, recipe: Recipe) -> list[tuple[str, str]]:
    """A preview shows the embedding only where its prompt names it."""
    tokenizer = tokenizer_for(model.tokenizer_folder)
    return [
        (
            "preview-nameless",
            f"preview.prompts: {prompt!r} says neither {name!r} nor [name]: it will not show the embedding",
        )
        for prompt in recipe.preview.prompts
        if not any(slot >= 0 for chunk in tokenizer.chunks(prompt, name, 1) for slot in chunk.slots)
    ]
