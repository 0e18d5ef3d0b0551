"""All settings of a run: the only declaration of every option.

The form's fields, their help (the text under each field), the keys of a recipe file and the ``--set`` flags come from
here. A recipe file is TOML with one table per section.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import tomlkit
from pydantic import Field, ValidationError, field_validator

from tinv_tui import paths
from tinv_tui.errors import InputError
from tinv_tui.schedule import parse_rates
from tinv_tui.sections import PreprocessSection, Section

Sampler = Literal[
    "dpm++ 2m karras", "dpm++ 2m", "dpm++ 2m sde karras", "dpm++ 2m sde", "dpm++ sde karras", "dpm++ sde", "dpm2 karras",
    "dpm2", "dpm2 a karras", "dpm2 a", "euler a", "euler", "heun", "lms karras", "lms", "plms", "ddim", "unipc",
]  # fmt: skip


class ModelSection(Section):
    path: str = ""
    """The base model: "bundled" for the tiny one that ships with the program, or a diffusers folder. The embedding will
    work with models of the same family (SD 1.x, SD 2.x) and with no other. Required."""
    vae: str = ""
    """A diffusers VAE folder to use in place of the model's own. Empty: the model's own."""
    clip_skip: int = Field(1, ge=1, le=12)
    """Which hidden layer of the text encoder is used, counted from the last. 1 is the last; some anime models want 2."""
    prediction_type: Literal["auto", "epsilon", "v_prediction"] = "auto"
    """What the UNet predicts. "auto" asks the model's own scheduler configuration."""


class EmbeddingSection(Section):
    name: str = ""
    """The new word, also the file's name. Required. Choose one that is no ordinary word, and that no other name starts
    with. Letters and digits of any script, . _ - and spaces stay; other characters are dropped."""
    vectors: int = Field(1, ge=1, le=75)
    """Vectors per token. N of them leave 75 - N tokens of a prompt's 75 for other words; more hold more, and want more
    pictures: about five for each, or they overfit."""
    init_text: str = "*"
    """Words the vectors start from, e.g. "ginger cat", or the caption of one picture. Their tokens are spread over all
    vectors: each fills several, or where there are more of them than vectors, those that count lie evenly in the phrase
    (A1111 takes its beginning, so that one vector starts from "a"). Empty starts from zeros."""
    continue_from: str = ""
    """An embedding to go on from: a name in the library or a file. Its vectors replace the init text, and their number."""
    step_count: Literal["go on", "restart"] = "go on"
    """Whether the result's count of steps goes on from that of the embedding it continues, or restarts at 0. A run always
    counts its own steps from 1, in its rates, copies and previews; only the file in the library says the sum."""
    overwrite: bool = False
    """Replace an embedding of this name in the library. Otherwise Create refuses the name, and a run keeps an embedding
    that is trained and adds "-2" to its own name."""


class DatasetSection(Section):
    path: str = ""
    """The folder of pictures, the one Preprocess wrote; captions lie beside them as .txt files of the same name. Five
    pictures or more, sharp and little compressed, best square; the more they differ in light, angle, composition and
    expression, the better. Required."""
    template: str = "subject_filewords"
    """Prompt template: subject_filewords for a character or a thing, style_filewords for a style, another known name, or a
    text file whose lines hold [name] and, if wanted, [filewords]. For a first training, take one as it is."""
    width: int = Field(0, ge=0, le=4096)
    """Training width in pixels, a multiple of 8, the same as in Preprocess. 0 is the model's native size (512 for SD 1.x)."""
    height: int = Field(0, ge=0, le=4096)
    """Training height in pixels, a multiple of 8, the same as in Preprocess. 0 is the model's native size (512 for SD 1.x)."""
    sizes: Literal["bucket", "resize", "crop"] = "bucket"
    """Pictures of another shape: "bucket" trains each at a size of about the same area and its own shape, "resize"
    squeezes it to width x height, "crop" cuts the middle out."""
    filename_regex: str = ""
    """Where a picture has no caption file: a regular expression whose matches in the file name, a number in front left out,
    make its caption, as in [^\\W\\d_]+ for all words. Empty: the name as it stands, if it reads as words ("00003-1-a red
    fox" says "a red fox"; IMG_1234 says nothing)."""
    filename_join: str = " "
    """What is put between the matches of the file name's expression."""
    repeats: int = Field(1, ge=1, le=10000)
    """How often each picture counts in an epoch."""
    flip: bool = False
    """Train on mirror images too, drawn at random. Not for faces, text, or anything with a left and a right."""
    shuffle_tags: bool = False
    """Shuffle the comma-separated parts of a caption each time it is read: some more variety, from captions of tags."""
    drop_out_tags: float = Field(0.1, ge=0, le=1)
    """Chance to leave out each comma-separated part of a caption, each time it is read, for variety. 0.1 is a good value;
    0 keeps captions whole."""
    latent_sampling: Literal["deterministic", "once", "random"] = "deterministic"
    """What a picture becomes in latent space: the mean (deterministic, the recommended one), one sample for the whole run
    (once), or a new sample each step (random)."""
    alpha_as_weight: bool = False
    """Weigh the loss by the picture's transparency: what is transparent counts less."""


class TrainingSection(Section):
    steps: int = Field(100000, ge=1, le=100_000_000)
    """How many optimiser updates. The guide found up to 100,000 necessary, which takes hours; copies and the best so far
    let you stop earlier."""
    learning_rate: str = "0.005"
    """Rate, or rates with step counts: "0.005:500, 0.001:1000, 0.004". Lower is slower but more accurate; stay below
    0.1, and take 0.005 if unsure."""
    rate_steps: Literal["duration", "absolute"] = "duration"
    """What the counts in the rate text mean: that many further steps (duration), or the last step (absolute, A1111)."""
    batch_size: int = Field(1, ge=1, le=1024)
    """Pictures per forward pass. A batch larger than the set repeats pictures."""
    gradient_accumulation: int = Field(1, ge=1, le=1024)
    """Batches per update: the effect of a larger batch without its memory."""
    clip: Literal["off", "value", "norm"] = "off"
    """Gradient clipping, in true gradient units: each element (value) or the whole gradient (norm)."""
    clip_schedule: str = "0.1"
    """The clipping threshold, in the same notation as the rate."""
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    """Number format of the frozen weights; the vectors are always fp32. "auto": bf16 on a GPU that has it, else fp32; take
    it if unsure. "fp32" is full precision (A1111's --no-half --precision full): the most exact, and up to twice the memory,
    which the plan shows before a start."""
    seed: int = Field(-1, ge=-1, le=2**63 - 1)
    """Everything random follows from this. -1 draws one and records it."""
    deterministic: bool = False
    """Ask the GPU for the same bytes every time, at some cost in speed. The CPU always gives them."""
    evaluation_samples: int = Field(4, ge=0, le=64)
    """Fixed pictures, noises and timesteps for the evaluation loss, which shows progress the training loss hides. 0: off."""


class SavingSection(Section):
    log_directory: str = ""
    """Where runs are kept, with their losses, copies and previews. Empty, which is best if unsure: TINV_HOME/runs."""
    embedding_every: int = Field(500, ge=0)
    """Save a copy of the embedding every so many steps, to go back to if the end is not the best of it. 0: never."""
    image_every: int = Field(500, ge=0)
    """Draw a preview every so many steps, to follow what is learned. 0: never."""
    image_carries_embedding: bool = True
    """Also write each preview as a picture that carries the embedding, in a PNG chunk and in its pixels, which A1111 and
    others can load. It has the name written on it; a small preview is enlarged for that. With every preview, whatever
    the interval of copies."""
    tensorboard: bool = False
    """Also write losses, rate, lengths of the vectors and previews for TensorBoard, in the run's folder. Needs
    pip install 'tinv-tui[tensorboard]'."""
    formats: tuple[Literal["safetensors"], ...] = Field(("safetensors",), min_length=1, strict=False)  # TOML has lists
    """File formats of the result."""
    checkpoint_seconds: int = Field(20, ge=1, le=86400)
    """The most training time that a crash can cost, in seconds."""


class PreviewSection(Section):
    prompts: tuple[str, ...] = Field((), strict=False)
    """Prompts to draw, one picture each; write the embedding's name, or [name]. Empty: the step's own training prompt. In
    the form, ctrl+o takes this and all below from a PNG made by A1111 or Forge."""
    negative: str = ""
    """What the preview should not show."""
    steps: int = Field(20, ge=1, le=1000)
    """Sampling steps."""
    sampler: Sampler = "dpm++ 2m karras"
    """Sampling method."""
    cfg: float = Field(7.0, ge=1, le=50)
    """Guidance scale: how strictly the picture follows the prompt."""
    seed: int = Field(42, ge=-1, le=2**63 - 1)
    """What the picture starts from; the same for every preview, so that they compare. -1: another one each time."""
    width: int = Field(0, ge=0, le=4096)
    """Preview width in pixels, a multiple of 8. 0: the training width."""
    height: int = Field(0, ge=0, le=4096)
    """Preview height in pixels, a multiple of 8. 0: the training height."""


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
            raise _unknown_key(key, source)
    for section, table in values.items():
        if section not in Recipe.model_fields:
            raise _unknown_key(section, source)
        if not isinstance(table, dict):
            raise InputError(
                "recipe-type", f"{source}: {section} must be a table", f"Write [{section}] above its keys."
            )
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        raise _from_pydantic(error, values, source) from None
    recipe.check_rates()
    recipe.check_pattern()
    return recipe


def require_complete(recipe: Recipe, source: str = "recipe") -> None:
    """Raise InputError for the first required key that is empty."""
    for key in REQUIRED:
        section, _, name = key.partition(".")
        if not getattr(getattr(recipe, section), name).strip():
            help_text = " ".join((field_of(key).description or "").split())
            raise InputError("recipe-missing", f"{source}: {key} is required", help_text)


def load_recipe(path: Path, overrides: list[str] | None = None, *, preview: dict[str, Any] | None = None) -> Recipe:
    """Read a TOML recipe and apply ``section.key=value`` overrides. Raises InputError naming file, key and value.

    ``preview`` replaces keys of the file's [preview], below the overrides.
    Relative paths stay as written; :func:`resolve_paths` makes them absolute.
    """
    values = read_tables(path)
    if preview:
        values["preview"] = {**values.get("preview", {}), **preview}
    for override in overrides or []:
        apply_override(values, override)
    return make_recipe(values, str(path))


def read_tables(path: Path) -> dict[str, Any]:
    """The nested tables of a TOML recipe, unchecked. Raises InputError when it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            "recipe-not-found", f"there is no recipe at {path}", "Give the path of a recipe.toml."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InputError("recipe-unreadable", f"{path}: {error}", "A recipe is a TOML file.") from None


def apply_override(values: dict[str, Any], override: str) -> None:
    """Apply one ``section.key=value`` to nested tables: raw text for text keys, TOML for the rest. Raises InputError."""
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals:
        raise InputError("override-malformed", f"--set {override}: there is no '='", "Write --set section.key=value.")
    if key not in all_keys():
        raise _unknown_key(key, "--set")
    section, _, name = key.partition(".")
    table = values.setdefault(section, {})
    if isinstance(table, dict):  # anything else is the file's mistake, and make_recipe says so
        table[name] = parse_value(key, text)


def parse_value(key: str, text: str) -> Any:
    """The value a user typed for ``section.key``. Raises InputError when a non-text key gets no TOML."""
    if is_text(key):
        return text
    try:
        return tomllib.loads(f"x = {text.strip()}")["x"]
    except tomllib.TOMLDecodeError:
        kind = allowed_values(key)
        raise InputError("recipe-type", f"{key} = {text!r} is not {kind}", f"Write {kind}.") from None


def is_text(key: str) -> bool:
    """Whether the key holds plain text (free, or one of fixed words)."""
    return isinstance(field_of(key).default, str)


def is_of_words(key: str) -> bool:
    """Whether the key holds a list of fixed words, which can be written with commas between them."""
    items = next(iter(getattr(field_of(key).annotation, "__args__", ())), None)
    return isinstance(field_of(key).default, tuple) and bool(getattr(items, "__args__", ()))


def resolve_paths(recipe: Recipe, beside: Path) -> Recipe:
    """The recipe with relative paths made absolute against the folder ``beside``, and ``~`` expanded.

    A model or template that is a known name, or a hub id, stays as it is.
    """

    def absolute(text: str) -> str:
        return str((beside / os.path.expanduser(text)).resolve()) if text.strip() else text

    values = recipe.model_dump()
    values["dataset"]["path"] = absolute(recipe.dataset.path)
    values["saving"]["log_directory"] = absolute(recipe.saving.log_directory)
    values["model"]["vae"] = absolute(recipe.model.vae)
    for key in ("source", "destination", "face_model"):
        values["preprocess"][key] = absolute(values["preprocess"][key])
    known = {("model", "path"): {"bundled"}, ("dataset", "template"): paths.template_files().keys()}
    folders = (("model", "path"), ("preprocess", "blip_model"), ("preprocess", "tagger"))
    for section, key in (*folders, ("dataset", "template"), ("embedding", "continue_from")):
        text = values[section][key]
        if text in known.get((section, key), ()):
            continue
        there = (beside / text).exists() if (section, key) in folders else (beside / text).is_file()
        if text.startswith(("~", ".", "/")) or (text and there):
            values[section][key] = absolute(text)
    return Recipe.model_validate(values)


def to_toml(recipe: Recipe) -> str:
    """The recipe as TOML with every key, each section under its table."""
    document = tomlkit.document()
    for section, values in recipe.model_dump(mode="json").items():
        table = tomlkit.table()
        for key, value in values.items():
            table.add(key, value)
        document.add(section, table)
    return tomlkit.dumps(document)


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


def _unknown_key(key: str, source: str) -> InputError:
    known = all_keys() if "." in key else list(Recipe.model_fields)
    elsewhere = [k for k in all_keys() if k.split(".")[1] == key.split(".")[-1]]
    near = difflib.get_close_matches(key, elsewhere, n=1, cutoff=0) if "." in key else elsewhere[:1]
    near = near or difflib.get_close_matches(key, known, n=1, cutoff=0.4)
    hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."
    return InputError("recipe-unknown-key", f"{source}: there is no key {key}", hint)


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
