"""What is right and wrong with a filled-in preprocessing form, and what it would write; without a screen, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinv_tui.app.form_values import Checked, Mark, key_of, read_fields, short
from tinv_tui.app.preprocess_fields import DESTINATION, PREPROCESS_FIELDS, SOURCE
from tinv_tui.datasets.captioner_models import BLIP, TAGS, default_captioner, presence, suggestion
from tinv_tui.datasets.preprocess import PreprocessPlan, occupants, plan_preprocess
from tinv_tui.errors import InputError
from tinv_tui.printable import many
from tinv_tui.recipe import Recipe
from tinv_tui.recipe_file import resolve_paths

_KEY_OF_CODE = {
    "preprocess-same": DESTINATION,
    "preprocess-nested": DESTINATION,
    "preprocess-extra": "preprocess.focal_crop",
}


@dataclass(frozen=True)
class CheckedPreprocess(Checked):
    """The outcome, with what would be written and how much the destination holds already."""

    plan: PreprocessPlan | None = None
    held: int = 0


def with_captioner(recipe: Recipe) -> Recipe:
    """The settings to open with: captions by what is on this machine and suits the base model, or none."""
    found = default_captioner(recipe.model.path, recipe.preprocess.blip_model)
    chosen = {"blip": "off", "tagger": ""}
    if found.folder is not None:
        chosen = {"blip": "on", "tagger": ""} if found.captioner == BLIP else {"blip": "off", "tagger": found.model}
    return recipe.model_copy(update={"preprocess": recipe.preprocess.model_copy(update=chosen)})


def check_preprocess(texts: dict[str, str], base: Recipe, beside: Path) -> CheckedPreprocess:
    """Everything that can be said before a start. Reads headers of pictures; never raises InputError."""
    recipe, errors = read_fields(texts, base, PREPROCESS_FIELDS)
    missing = frozenset(key for key in (SOURCE, DESTINATION) if not texts.get(key, "").strip())
    errors |= dict.fromkeys(missing, "is required")
    notes = _notes(texts, base)
    if recipe is None or errors:
        return CheckedPreprocess(recipe, errors, missing, notes)
    try:
        recipe = resolve_paths(recipe, beside)
        plan = plan_preprocess(recipe.preprocess, recipe.model.path)
        held = occupants(plan.destination)
    except InputError as error:
        key = _key_of(error, texts)
        said = short(error, key if error.code not in _KEY_OF_CODE else None)
        command = f". {error.hint}" if "with:" in error.hint else ""
        return CheckedPreprocess(recipe, {key or "": said + command}, missing, notes, (("✖", said + command),))
    return CheckedPreprocess(recipe, {}, missing, notes, _facts(plan, held), plan, held)


def _key_of(error: InputError, texts: dict[str, str]) -> str | None:
    if error.code == "captioner-missing":
        return "preprocess.blip" if texts.get("preprocess.blip") == "on" else "preprocess.tagger"
    key = _KEY_OF_CODE.get(error.code) or key_of(error)
    return key if key in PREPROCESS_FIELDS else None


def _notes(texts: dict[str, str], base: Recipe) -> dict[str, str]:
    blip = presence(BLIP, texts.get("preprocess.blip_model", ""))
    wanted = suggestion(base.model.path)
    suits = "sentences: for Stable Diffusion" if wanted == BLIP else "sentences; tags suit this base model better"
    absent = f"not here; fetch it with: {blip.command}" if blip.command else blip.missing
    said = suits if blip.folder is not None else absent
    tags = "tags: for Waifu Diffusion and its kin"
    if wanted == TAGS:
        tags = f"tags suit {Path(base.model.path).name}"
    return {"preprocess.blip": said, "preprocess.tagger": tags}


def _facts(plan: PreprocessPlan, held: int) -> tuple[tuple[Mark, str], ...]:
    taken = len(plan.pictures)
    facts: list[tuple[Mark, str]] = [("✔", f"{many(taken, 'picture')} become{'s'[: taken == 1]} {len(plan.names)}")]
    if plan.skipped:
        facts.append(("!", f"{many(len(plan.skipped), 'file')} skipped"))
    by = " and ".join(found.model for found in plan.captioners)
    old = sum(bool(picture.caption) for picture in plan.pictures)
    facts.append(("✔", f"captions by {by}") if by else ("~", f"no captions made, {old} carried over"))
    if held:
        replaced = f", {many(plan.replaced, 'picture')} would be replaced" if plan.replaced else ""
        facts.append(("!", f"the destination holds {many(held, 'file')}{replaced}"))
    return tuple(facts)
