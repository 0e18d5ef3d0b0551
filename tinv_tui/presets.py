"""Named sets of recipe values to begin from, each value with why it is so.

What is learned (subject, style, face), how long (fast try, patient) and where (low memory) go on top of each other: one
sets what another leaves alone, and where both set a key, the later one holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinv_tui.errors import InputError


@dataclass(frozen=True)
class Value:
    """What a preset sets ``section.key`` to, as TOML has it, and why."""

    key: str
    value: Any
    why: str


@dataclass(frozen=True)
class Preset:
    """``said`` tells in a few words what it is for. It names no file, no word and no picture: those are yours."""

    name: str
    said: str
    values: tuple[Value, ...]


_MIRROR = "dataset.flip"
_COUNTS = Value("training.rate_steps", "duration", "the counts of the rate above are that many further steps")
_DROP_OUT = Value(
    "dataset.drop_out_tags", 0.1, "a tenth of the tags left out, so that the word depends on none of them"
)

PRESETS: tuple[Preset, ...] = (
    Preset(
        "subject",
        "a thing, an animal, a character",
        (
            Value(
                "dataset.template",
                "subject_filewords",
                "captions name what changes from picture to picture; the new word is left with what stays",
            ),
            Value("embedding.vectors", 4, "room for form, colours and marks; about twenty pictures fill them"),
            Value(
                "training.learning_rate", "0.005:1000, 0.002:2000, 0.001", "quick to the likeness, then finer detail"
            ),
            _COUNTS,
            Value("training.steps", 5000, "copies on the way show whether it needs more, and a resume goes on"),
            _DROP_OUT,
            Value(_MIRROR, False, "a mirror image has its marks on the wrong side"),
            Value("training.cap_norm", False, "a thing is mostly alone in its picture, and may be strong"),
        ),
    ),
    Preset(
        "style",
        "how a painter, a film, a period looks",
        (
            Value("dataset.template", "style_filewords", "captions name what is shown; the new word is left with how"),
            Value("embedding.vectors", 8, "stroke, palette and light take room; about forty pictures fill them"),
            Value("training.learning_rate", "0.005:2000, 0.002", "a look shows late, in all pictures together"),
            _COUNTS,
            Value("training.steps", 8000, "more pictures are seen more often before the look is theirs"),
            _DROP_OUT,
            Value(_MIRROR, True, "a look has no left and right: twice the pictures"),
            Value("training.cap_norm", True, "a look has to leave the rest of the prompt its say"),
        ),
    ),
    Preset(
        "face",
        "a person's face",
        (
            Value(
                "dataset.template", "face_filewords", "its lines speak of portraits, so that the word means the face"
            ),
            Value("embedding.vectors", 5, "we see the least error in a face; about twenty-five pictures fill them"),
            Value("training.learning_rate", "0.004:1000, 0.002:2000, 0.0005", "a likeness is lost by steps too large"),
            _COUNTS,
            Value("training.steps", 6000, "the last half at the lowest rate, where the likeness settles"),
            _DROP_OUT,
            Value(_MIRROR, False, "no face is the same both ways"),
            Value("training.cap_norm", True, "so that the person can still be put into other scenes and clothes"),
        ),
    ),
    Preset(
        "fast try",
        "see in minutes whether pictures and captions will do",
        (
            Value("embedding.vectors", 1, "one vector moves soonest; what it cannot hold shows here too"),
            Value("training.learning_rate", "0.005:300, 0.002", "the advised rate, then calmer to the end"),
            _COUNTS,
            Value("training.steps", 500, "enough to see the likeness come, or not"),
            Value("training.minutes", 15.0, "never longer, however slow the machine; the best so far is kept"),
            Value("saving.embedding_every", 100, "five copies"),
            Value("saving.image_every", 100, "five previews to compare"),
            Value("preview.steps", 12, "previews that take half the time"),
        ),
    ),
    Preset(
        "patient",
        "a night or more, for the best there is",
        (
            Value("training.learning_rate", "0.005:2000, 0.002:8000, 0.0005", "lower is slower, and more accurate"),
            _COUNTS,
            Value("training.steps", 100000, "as many as the guide found necessary"),
            Value("training.minutes", 0.0, "no limit but the steps"),
            Value("training.gradient_accumulation", 2, "two batches an update: a calmer direction, no more memory"),
            Value("training.evaluation_samples", 8, "best is chosen by a surer measure"),
            Value("saving.result", "best", "so long a run may go past its best"),
            Value("saving.embedding_every", 1000, "a hundred copies to go back to"),
            Value("saving.image_every", 1000, "a hundred previews"),
            Value("preview.steps", 20, "previews worth looking at closely"),
        ),
    ),
    Preset(
        "low memory",
        "for a small GPU, or one that others use",
        (
            Value(
                "training.batch_size", 1, "one picture at a time takes least; accumulation has the same effect as more"
            ),
            Value("training.precision", "auto", "16-bit numbers where the device has them: half of what fp32 takes"),
            Value("training.acceleration", "auto", "keeps the operators that hold little; compile does without them"),
            Value("dataset.width", 0, "the model's own width: larger pictures take more in every step"),
            Value("dataset.height", 0, "the model's own height, for the same reason"),
            Value("preview.width", 0, "a preview no larger than what is trained"),
            Value("preview.height", 0, "for the same reason"),
        ),
    ),
)

NAMES: tuple[str, ...] = tuple(preset.name.replace(" ", "-") for preset in PRESETS)
"""As they are typed on a command line."""


def find_preset(name: str) -> Preset:
    """The preset a user means; spaces may be hyphens. Raises InputError naming those there are."""
    wanted = name.strip().casefold().replace(" ", "-")
    for typed, preset in zip(NAMES, PRESETS, strict=True):
        if typed == wanted:
            return preset
    raise InputError("preset-missing", f"there is no preset {name!r}", f"Presets: {', '.join(NAMES)}.")


def apply_presets(values: dict[str, Any], names: Sequence[str]) -> None:
    """Set what the presets set in nested tables of a recipe, one after the other. Raises InputError."""
    for name in names:
        for value in find_preset(name).values:
            section, _, key = value.key.partition(".")
            table = values.setdefault(section, {})
            if isinstance(table, dict):  # anything else is the file's mistake, and make_recipe says so
                table[key] = value.value
