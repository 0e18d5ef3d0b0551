"""A recipe from the settings file that A1111 left in a training's log folder (reference a1111 §6.4).

The file omits some settings; those get A1111's own defaults, not ours, so that the recipe trains as it did there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from tinv_tui import paths
from tinv_tui.datasets.infotext import sampler_of
from tinv_tui.embeddings.names import clean_name
from tinv_tui.errors import InputError, in_words
from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.recipe_file import apply_override

_MODEL_SUFFIXES = (".safetensors", ".ckpt")


@dataclass
class _Reader:
    """Takes keys out of the file and notes what cannot be carried over."""

    content: Mapping[str, Any]
    notes: list[str] = field(default_factory=list)

    def number(
        self, key: str, default: Any, kind: Callable[[str], Any], is_good: Callable[[Any], bool] = lambda _: True
    ) -> Any:
        """A number, which may stand there as text; with a note the default where it is none or not possible."""
        given = self.content.get(key)
        if given is None:
            return default
        try:
            value = kind(str(given))
            if is_good(value):
                return value
        except (ValueError, OverflowError):  # of infinity
            pass
        self.notes.append(f"{key} = {given!r} is not possible here; {default} is used")
        return default

    def text(self, key: str) -> str:
        given = self.content.get(key)
        return "" if given is None else " ".join(str(given).split())

    def choice(self, key: str, words: Mapping[str, str], default: str) -> str:
        given = self.text(key).lower()
        if given and given not in words:
            self.notes.append(f"{key} = {given!r} is not known; {default!r} is used")
        return words.get(given, default)


def import_settings(
    path: Path, *, model: str = "", models: Path | None = None, overrides: list[str] | None = None
) -> tuple[Recipe, list[str]]:
    """The recipe of a ``settings-….json``, and in words what could not be carried over.

    The file knows the model by name only: ``model`` is what the recipe shall say, ``models`` a folder to look in. The
    name may stay open; then a note says so. Raises InputError.
    """
    content = _read(path)
    reader = _Reader(content)
    values = {
        "model": {"path": model or _find_model(reader, models)},
        "embedding": _embedding(reader),
        "dataset": _dataset(reader),
        "training": _training(reader),
        "saving": {
            "embedding_every": reader.number("save_embedding_every", 500, int, _not_negative),
            "image_every": reader.number("create_image_every", 500, int, _not_negative),
            "image_carries_embedding": content.get("save_image_with_stored_embedding", True) is not False,
        },
        "preview": _preview(reader),
    }
    reader.notes.append(
        "shuffling and drop-out of tags, clip skip, VAE, alpha weight and precision are not in the file: A1111's defaults "
        "are used (off, 0, 1, the model's own, off, auto)"
    )
    for override in overrides or []:
        apply_override(values, override)
    return make_recipe(values, str(path)), reader.notes


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError("settings-missing", f"there is no file {path}", "Give a settings-….json of A1111.") from None
    except OSError as error:
        raise InputError("settings-unreadable", in_words(error), "Give a settings-….json of A1111.") from None
    except (ValueError, RecursionError):
        raise InputError("settings-unreadable", f"{path} is no JSON file", "Give a settings-….json of A1111.") from None
    if not isinstance(content, dict) or not {"embedding_name", "learn_rate"} <= set(content):
        raise InputError(
            "settings-foreign",
            f"{path} is not what A1111 writes for the training of an embedding",
            "It has embedding_name and learn_rate, and lies in A1111's textual_inversion/<date>/<name> folder.",
        )
    return content


def _embedding(reader: _Reader) -> dict[str, Any]:
    began = reader.number("initial_step", 0, int)
    if began > 0:
        reader.notes.append(
            f"that training went on from step {began}; this recipe begins anew. To go on, set embedding.continue_from and "
            f"lower training.steps and the rate's steps by {began}"
        )
    else:
        reader.notes.append('the initialization text is not in the file: embedding.init_text is "*"')
    return {
        "name": clean_name(reader.text("embedding_name")),
        "vectors": reader.number("num_vectors_per_token", 1, int, lambda n: 1 <= n <= 75),
        "init_text": "*",
    }


def _dataset(reader: _Reader) -> dict[str, Any]:
    folder = str(reader.content.get("data_root") or "")
    if not (Path(folder).is_absolute() and Path(folder).is_dir()):  # a relative one started at A1111's own folder
        reader.notes.append(f"the dataset {folder!r} is not found on this machine: set dataset.path")
    width, height = (
        reader.number(f"training_{side}", 512, int, lambda n: 64 <= n <= 4096 and n % 8 == 0)
        for side in ("width", "height")
    )
    reader.notes.append(
        f'pictures of another shape are squeezed to {width}x{height} as A1111 does; dataset.sizes = "bucket" keeps shapes'
    )
    return {
        "path": folder,
        "template": _template(reader),
        "width": width,
        "height": height,
        "sizes": "resize",
        "shuffle_tags": False,
        "drop_out_tags": 0.0,
        "latent_sampling": reader.choice(
            "latent_sampling_method", {word: word for word in ("once", "deterministic", "random")}, "once"
        ),
    }


def _template(reader: _Reader) -> str:
    """The very file where it is here, else our template of its name."""
    told = str(reader.content.get("template_file") or "")
    if Path(told).is_absolute() and Path(told).is_file():
        return told
    name = PurePosixPath(told.replace("\\", "/")).stem
    if name in paths.template_files():
        reader.notes.append(f"the template {told!r} is not found on this machine: {name}, of other wording, is used")
        return name
    instead = "style_filewords" if "style" in name or not name else "subject_filewords"
    reader.notes.append(f"the template {told!r} is not found on this machine: {instead} is used; set dataset.template")
    return instead


def _training(reader: _Reader) -> dict[str, Any]:
    batch = reader.number("batch_size", 1, int, lambda n: 1 <= n <= 1024)
    accumulation = reader.number("gradient_step", 1, int, lambda n: 1 <= n <= 1024)
    pictures = reader.number("num_of_dataset_images", 0, int, _not_negative)
    if pictures:
        batch_there = min(batch, pictures)
        there = batch_there, max(1, min(accumulation, pictures // batch_there))
        if there != (batch, accumulation):
            reader.notes.append(
                f"with {pictures} pictures A1111 trained in batches of {there[0]}, {there[1]} to an update, not {batch} and "
                f"{accumulation} as asked: so does the recipe"
            )
            batch, accumulation = there
    return {
        "steps": reader.number("steps", 100000, int, lambda n: n >= 1),
        "learning_rate": reader.text("learn_rate"),
        "rate_steps": "absolute",
        "batch_size": batch,
        "gradient_accumulation": accumulation,
        "clip": reader.choice("clip_grad_mode", {"disabled": "off", "value": "value", "norm": "norm"}, "off"),
        "clip_schedule": reader.text("clip_grad_value") or "0.1",
    }


def _preview(reader: _Reader) -> dict[str, Any]:
    """The preview's settings where it was read from txt2img, else A1111's defaults."""
    values: dict[str, Any] = {"steps": 20, "cfg": 7.0, "seed": -1, "sampler": "dpm++ 2m karras"}
    prompt = reader.text("preview_prompt")
    if not prompt:
        reader.notes.append("previews get another seed each time, as there; set preview.seed to make them comparable")
        return values
    values |= {
        "prompts": [prompt],
        "negative": reader.text("preview_negative_prompt"),
        "steps": reader.number("preview_steps", 20, int, lambda n: 1 <= n <= 1000),
        "cfg": reader.number("preview_cfg_scale", 7.0, float, lambda n: 1 <= n <= 50),
        "seed": reader.number("preview_seed", -1, lambda text: int(float(text)), lambda n: -1 <= n < 2**63),
        "width": reader.number("preview_width", 0, int, lambda n: 8 <= n <= 4096 and n % 8 == 0),
        "height": reader.number("preview_height", 0, int, lambda n: 8 <= n <= 4096 and n % 8 == 0),
    }
    sampler = reader.text("preview_sampler_name") or reader.text("preview_sampler_index")
    if sampler and not sampler.isdecimal():
        values["sampler"], note = sampler_of(sampler)
        reader.notes += [note] if note else []
    else:
        told = f"sampler number {sampler}" if sampler else "no sampler"
        reader.notes.append(f"the file names {told}: {values['sampler']} draws the previews; set preview.sampler")
    return values


def _find_model(reader: _Reader, models: Path | None) -> str:
    """The model of the file's name below a folder; "" with a note where there is none."""
    name, digest = reader.text("model_name"), reader.text("model_hash")
    told = f"{name!r}{f' [{digest}]' if digest else ''}"
    if models is None:
        reader.notes.append(
            f"model.path is empty: the model was {told}; give it with --model, or its folder with --models"
        )
        return ""
    if not models.is_dir():
        raise InputError(
            "models-missing", f"--models: there is no folder {models}", "Give the folder your models lie in."
        )
    found = [path for path in sorted(models.rglob("*")) if _is_model(path) and name in _names_of(path, models)]
    if not found:
        reader.notes.append(f"model.path is empty: there is no model called {told} in {models}; give it with --model")
        return ""
    if len(found) > 1:
        reader.notes.append(f"{len(found)} models in {models} are called {told}; {found[0]} is used")
    return str(found[0].absolute())


def _is_model(path: Path) -> bool:
    return path.suffix.lower() in _MODEL_SUFFIXES if path.is_file() else (path / "model_index.json").is_file()


def _names_of(path: Path, models: Path) -> set[str]:
    """What A1111 may call a model: its path below the models' folder with _ for /, without extension; or its last part."""
    whole = path.relative_to(models) if path.is_dir() else path.relative_to(models).with_suffix("")
    return {re.sub(r"[/\\]", "_", str(whole)), whole.name}


def _not_negative(number: int) -> bool:
    return number >= 0
