"""What is right and wrong with a filled-in recipe form, worked out without a screen and without torch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from tinv_tui import paths
from tinv_tui.app import wording
from tinv_tui.app.checked_recipe import CheckedRecipe
from tinv_tui.app.embedding_notes import library_notes, start_notes, tokenizer_of, vectors_of
from tinv_tui.app.fields import FIELDS
from tinv_tui.app.form_values import Mark, key_of, read_fields, short, value_of
from tinv_tui.app.last_run import since_last_run
from tinv_tui.datasets.captions import NameCaptions
from tinv_tui.datasets.checks import CheckSettings, check_headers
from tinv_tui.datasets.findings import Finding
from tinv_tui.datasets.pictures import PictureEntry, list_pictures, usable_pictures, without
from tinv_tui.datasets.templates import FILEWORDS, fill_template, read_template
from tinv_tui.embeddings import library
from tinv_tui.embeddings.names import clean_name
from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.identify import identify
from tinv_tui.models.tokenizer import PromptTokenizer
from tinv_tui.printable import many
from tinv_tui.recipe import REQUIRED, Recipe
from tinv_tui.runs.estimates import Probe, Work, estimate_time, work_of
from tinv_tui.runs.memory import MemoryNeed, memory_need, memory_warnings
from tinv_tui.runs.neighbours import in_words
from tinv_tui.runs.plan import RunPlan, plan_run
from tinv_tui.schedule import Plan, Reading, parse_rates

_SIZE_WITHOUT_MODEL = 512


@dataclass(frozen=True)
class PromptMaker:
    """Makes the prompt the trainer will see of a picture."""

    lines: tuple[str, ...]
    name: str
    vectors: int
    tokenizer: PromptTokenizer | None

    def sample(self, index: int, caption: str | None) -> tuple[str, int | None]:
        """A prompt for picture ``index``, with its count of tokens where the base model is known."""
        return self.fill(self.lines[index % len(self.lines)], caption)

    def fill(self, line: str, caption: str | None) -> tuple[str, int | None]:
        """The prompt of one template line, with its count of tokens where the base model is known."""
        line = fill_template(line, caption)
        tokens = None
        if self.tokenizer is not None:
            try:
                tokens = sum(chunk.used for chunk in self.tokenizer.chunks(line, self.name, self.vectors))
            except InputError:
                pass  # the vectors do not fit, or the model is gone since: the check of the form says so
        return line.replace("[name]", self.name or "[name]"), tokens


def check_form(
    texts: dict[str, str], base: Recipe, beside: Path, probes: Mapping[Work, Probe] = MappingProxyType({})
) -> CheckedRecipe:
    """Everything that can be said of the form before a start. Reads the dataset's headers; never raises InputError.

    ``probes`` are what was measured of recipes that do the same work.
    """
    recipe, errors = read_fields(texts, base, FIELDS)
    errors = _not_there(texts, beside) | errors
    missing = frozenset(key for key in REQUIRED if not texts.get(key, "").strip())
    errors |= dict.fromkeys(missing, "is required")
    schedules = _schedules(texts)
    notes = _notes(texts, beside) | {key: _in_words(schedule) for key, schedule in schedules.items()}
    section = (recipe or base).dataset
    names = NameCaptions(section.filename_regex, section.filename_join)
    pictures, dataset_error = _pictures(texts.get("dataset.path", ""), beside, names)
    if dataset_error and "dataset.path" not in errors:
        errors["dataset.path"] = dataset_error
    prompts = _prompt_maker(texts, beside)
    plan: RunPlan | None = None
    need: MemoryNeed | None = None
    facts: tuple[tuple[Mark, str], ...] = ()
    if recipe is not None and not errors:
        try:
            plan = plan_run(recipe, beside, reads_pixels=False)  # a closer look follows, in a process of its own
            probe = probes.get(work_of(plan.recipe))
            need = memory_need(plan, probe.peak_bytes, probe.memory_plan) if probe else memory_need(plan)
            facts = _facts(plan, probe, need)
            if need.extra_bytes:
                more = wording.memory(need.extra_bytes)
                notes["training.precision"] = f"{plan.recipe.training.precision} takes about {more} more than auto"
        except InputError as error:
            key = key_of(error)
            if key in FIELDS:
                errors[key] = short(error, key)
            else:
                facts = (("✖", f"{error.message}. {error.hint}".strip()),)
                errors[""] = error.message
    model = plan.model if plan is not None else _model(texts, beside)
    settings = _check_settings(plan.recipe if plan is not None else recipe or base, plan, model, prompts)
    exclude = frozenset(value_of("dataset.exclude", texts.get("dataset.exclude", "")))
    trained_on = without(pictures or (), exclude)
    findings = plan.findings if plan is not None else _findings(trained_on, settings)
    return CheckedRecipe(
        recipe,
        errors,
        missing,
        notes,
        facts,
        plan,
        need,
        pictures,
        exclude,
        prompts,
        settings,
        findings,
        schedules,
        since_last_run(texts, recipe, beside),
    )


def _not_there(texts: Mapping[str, str], beside: Path) -> dict[str, str]:
    """What is wrong with what is named, each by itself: a plan is not made where one of them is wrong, and tells of one."""
    looks: dict[str, Callable[[str], object]] = {
        "embedding.name": clean_name,
        "embedding.continue_from": lambda text: library.load(paths.embeddings_folder(), text, beside),
        "model.path": lambda text: identify(text, beside),
        "dataset.template": lambda text: read_template(paths.find_template(text, beside)),
    }
    found = dict[str, str]()
    for key, look in looks.items():
        if texts[key].strip():
            try:
                look(texts[key])
            except InputError as error:
                found[key] = short(error, key)
    return found


def _findings(trained_on: Sequence[PictureEntry], settings: CheckSettings) -> tuple[Finding, ...]:
    try:
        return tuple(check_headers(trained_on, settings)) if trained_on else ()
    except InputError:  # the model is gone since its tokenizer was found
        return tuple(check_headers(trained_on, replace(settings, tokenizer=None)))


def _model(texts: Mapping[str, str], beside: Path) -> BaseModel | None:
    try:
        return identify(texts["model.path"], beside) if texts["model.path"].strip() else None
    except InputError:
        return None


def _check_settings(
    recipe: Recipe, plan: RunPlan | None, model: BaseModel | None, prompts: PromptMaker | None
) -> CheckSettings:
    """What the dataset is checked for; sizes are those of SD 1.x while the base model is not known."""
    native = model.native_size if model is not None else _SIZE_WITHOUT_MODEL
    name, vectors = "", 1
    if plan is not None:  # as the run will have them
        name, vectors = recipe.embedding.name, recipe.embedding.vectors
    elif prompts is not None:
        name, vectors = prompts.name, prompts.vectors
    return CheckSettings(
        width=recipe.dataset.width or native,
        height=recipe.dataset.height or native,
        sizes=recipe.dataset.sizes,
        grid=model.size_grid if model is not None else 64,
        template=prompts.lines if prompts is not None else CheckSettings.template,
        name=name,
        vectors=vectors,
        tokenizer=prompts.tokenizer if prompts is not None else None,
    )


def _pictures(text: str, beside: Path, names: NameCaptions) -> tuple[tuple[PictureEntry, ...] | None, str]:
    if not text.strip():
        return None, ""
    folder, found = beside / os.path.expanduser(text), None
    try:
        found = list_pictures(folder, names)
        usable_pictures(folder, found)
    except InputError as error:
        return None if found is None else tuple(found), short(error, "dataset.path")
    return tuple(found), ""


def _prompt_maker(texts: dict[str, str], beside: Path) -> PromptMaker | None:
    try:
        lines = tuple(read_template(paths.find_template(texts["dataset.template"], beside)))
    except InputError:
        return None
    return PromptMaker(lines, texts["embedding.name"].strip(), vectors_of(texts), tokenizer_of(texts, beside))


def _notes(texts: dict[str, str], beside: Path) -> dict[str, str]:
    notes = start_notes(texts, beside) | library_notes(texts, beside)
    folder = texts["saving.log_directory"].strip()
    notes["saving.log_directory"] = (
        os.path.abspath(beside / os.path.expanduser(folder)) if folder else str(paths.runs_folder())
    )
    return notes


def _schedules(texts: dict[str, str]) -> dict[str, Plan]:
    found = dict[str, Plan]()
    reading: Reading = "absolute" if texts["training.rate_steps"] == "absolute" else "duration"
    for key in ("training.learning_rate", "training.clip_schedule"):
        if key == "training.clip_schedule" and texts["training.clip"] == "off":
            continue
        try:
            found[key] = parse_rates(texts[key], int(texts["training.steps"]), reading, key=key)
        except (ValueError, InputError):
            pass
    return found


def _in_words(schedule: Plan) -> str:
    return schedule.in_words() + "".join(f" · ! {m.partition(': ')[2]}" for _, m in schedule.warnings)


def _facts(plan: RunPlan, probe: Probe | None, need: MemoryNeed) -> tuple[tuple[Mark, str], ...]:
    """The lines at the foot of the form, the most telling first."""
    facts: list[tuple[Mark, str]] = [
        ("✔", f"{plan.model.family.label}, {plan.model.width} wide, native {plan.model.native_size} px"),
        ("✔", f"{many(len(plan.pictures), 'picture')}, {_steps(plan.steps_per_epoch)} an epoch"),
    ]
    if plan.recipe.dataset.exclude:
        facts.append(("~", f"{len(set(plan.recipe.dataset.exclude))} left out of the training"))
    bare = sum(picture.caption is None for picture in plan.pictures)
    uses_captions = any(FILEWORDS in line for line in plan.template)
    if bare and uses_captions:
        facts.append(("!", f"{bare} without caption"))
    estimate = estimate_time(plan, probe)
    if estimate.seconds is None:
        facts.append(("~", "time unknown: no run like it yet, m measures it"))
    elif probe is not None:
        facts.append(("~", f"{wording.duration(estimate.seconds)}, probed: {probe.seconds_per_step:.3g} s a step"))
    else:
        facts.append(("~", f"{wording.duration(estimate.seconds)}, as {estimate.basis.removeprefix('measured in ')}"))
    free = f" of {wording.memory(need.room.free_bytes)} free" if need.room.free_bytes is not None else ""
    about = "" if need.measured else "about "
    squeezed = f", with {need.plan_words}" if need.plan_words else ""
    facts.append(("~", f"memory {about}{wording.memory(need.peak_bytes)}{free}{squeezed}"))
    others = tuple(neighbour for neighbour in need.neighbours if neighbour.run is None)
    if others:
        facts.append(("~", f"also on {need.room.device}: {in_words(others, most=2)}"))
    warnings = [*memory_warnings(need), *plan.warnings]
    runs = tuple(neighbour for neighbour in need.neighbours if neighbour.run is not None)
    if runs:  # shorter than the warning: what is free is said above
        facts.append(("!", f"trains here too: {in_words(runs, most=2)}; each takes longer"))
    facts += [("!", message) for code, message in warnings if code not in ("caption-missing", "device-shared")]
    if bare < len(plan.pictures) and not uses_captions:
        facts.append(("~", f"{many(len(plan.pictures) - bare, 'caption')}, which the template does not use"))
    disk = shutil.disk_usage(_existing(paths.home())).free
    if disk < 2**30:
        facts.append(("!", f"only {wording.memory(disk)} of disk left"))
    return tuple(facts)


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _steps(count: int) -> str:
    return many(count, "step")
