"""Which captioners there are, whether one and its model are on this machine, and what fetches it. No torch, no network."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tinv_tui import paths
from tinv_tui.errors import InputError
from tinv_tui.models.hub import is_hub_id, snapshots
from tinv_tui.sections import PreprocessSection

BLIP: Final = "blip"
TAGS: Final = "tags"
"""The captioner that reads any folder or hub id with an ONNX model and its tags; what kind it is, the files tell."""
BLIP_MODEL = str(PreprocessSection.model_fields["blip_model"].default)

Kind = Literal["deepdanbooru", "wd"]


@dataclass(frozen=True)
class TaggerFiles:
    """How taggers of one kind are published, and how sure they must be of a tag unless told otherwise."""

    model: str
    """The usual name of the ONNX file; in a folder with one ONNX file, any name is right."""
    tags: str
    threshold: float
    side: int
    """Width and height of the input in pixels, where the model does not say."""


TAGGER_FILES: dict[Kind, TaggerFiles] = {
    "deepdanbooru": TaggerFiles("deepdanbooru.onnx", "tags.txt", 0.5, 512),
    "wd": TaggerFiles("model.onnx", "selected_tags.csv", 0.35, 448),
}

TAGGERS: dict[str, tuple[Kind, str]] = {
    "deepdanbooru": ("deepdanbooru", "chinoll/deepdanbooru"),
    "wd-vit": ("wd", "SmilingWolf/wd-vit-tagger-v3"),
    "wd-swinv2": ("wd", "SmilingWolf/wd-swinv2-tagger-v3"),
    "wd-convnext": ("wd", "SmilingWolf/wd-convnext-tagger-v3"),
    "wd-eva02": ("wd", "SmilingWolf/wd-eva02-large-tagger-v3"),
}
"""Known taggers by their short names: kind and hub id."""

_BLIP_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_BLIP_OTHERS = ("config.json", ("tokenizer.json", "vocab.txt"))


@dataclass(frozen=True)
class Presence:
    """A captioner and its model, as they are on this machine."""

    captioner: str
    """``blip`` or ``tags``."""
    model: str
    """The folder or hub id that was asked for."""
    folder: Path | None
    """Where the model lies; None when it, or the captioner's software, is missing."""
    missing: str = ""
    """What is missing, in words; empty when nothing is."""
    command: str = ""
    """The shell command that gets it; empty when nothing is missing, or when no command can."""


def presence(captioner: str, model: str = "") -> Presence:
    """Whether a captioner can work now.

    ``captioner`` is ``blip``, ``tags`` or the short name of a known tagger; ``model`` is a folder or a hub id, and empty
    means the captioner's own. Hub ids are looked for in TINV_HOME/models and in the Hub's cache.
    """
    if captioner == BLIP:
        return _located(BLIP, model or BLIP_MODEL, "BLIP's model", "")
    name = model or captioner
    if name == TAGS:
        name = next(iter(TAGGERS))
    hub_id = TAGGERS[name][1] if name in TAGGERS else name
    if importlib.util.find_spec("onnxruntime") is None:
        return Presence(TAGS, hub_id, None, "taggers need onnxruntime", "pip install 'tinv-tui[preprocess]'")
    return _located(TAGS, hub_id, "the tagger's model", f" {' '.join(_published(hub_id))}")


def require(captioner: str, model: str = "") -> Path:
    """The model's folder. Raises InputError with the command that fetches what is missing."""
    found = presence(captioner, model)
    if found.folder is None:
        hint = f"Get it with: {found.command}" if found.command else "Give another folder, or a hub id."
        raise InputError("captioner-missing", found.missing, hint)
    return found.folder


def suggestion(base_model: str) -> Literal["blip", "tags"]:
    """What a base model wants to be captioned with, by its name: tags for those that learned from booru pictures."""
    booru = r"waifu|anime|anything|\bwd[-_ 0-9]|booru|novelai|\bnai\b|illustrious|noob|pony|animagine|counterfeit|abyssorange"
    return TAGS if re.search(booru, base_model.replace("_", "-"), re.IGNORECASE) else BLIP


def default_captioner(base_model: str = "", blip_model: str = "") -> Presence:
    """The captioner to use when none was chosen: the one that suits the base model, else another that is present.

    Where none is, the one that suits, with what is missing.
    """
    blip = [presence(BLIP, blip_model)]
    tags = [presence(name) for name in TAGGERS]
    wanted = [*tags, *blip] if suggestion(base_model) == TAGS else [*blip, *tags]
    return next((found for found in wanted if found.folder is not None), wanted[0])


def kind_of(folder: Path) -> Kind | None:
    """Which kind of tagger a folder holds, by its list of tags; None when it holds none."""
    for kind, files in TAGGER_FILES.items():
        if (folder / files.tags).is_file() and onnx_file(folder, kind) is not None:
            return kind
    return None


def onnx_file(folder: Path, kind: Kind) -> Path | None:
    """The ONNX file of a tagger's folder; None when there is none, or several without a usual name."""
    usual = folder / TAGGER_FILES[kind].model
    if usual.is_file():
        return usual
    files = sorted(folder.glob("*.onnx"))
    return files[0] if len(files) == 1 else None


def _located(captioner: str, model: str, what: str, files: str) -> Presence:
    looked = _candidates(model)
    for folder in looked:
        if _is_whole(captioner, folder):
            return Presence(captioner, model, folder)
    if is_hub_id(model, Path.cwd()):
        return Presence(captioner, model, None, f"{what} {model} is not on this machine", f"hf download {model}{files}")
    wanted = "config.json, its weights and its tokenizer" if captioner == BLIP else "an ONNX model and its tags"
    return Presence(captioner, model, None, f"{model} is no folder with {wanted}")


def _candidates(model: str) -> list[Path]:
    given = Path(os.path.expanduser(model))
    found = [given] if given.is_dir() else []
    if is_hub_id(model, Path.cwd()):
        owner, _, name = model.partition("/")
        found += [paths.models_folder() / owner / name, paths.models_folder() / name]
        found += snapshots(model)
    return found


def _is_whole(captioner: str, folder: Path) -> bool:
    if captioner != BLIP:
        return kind_of(folder) is not None
    present = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    alternatives = [_BLIP_WEIGHTS, *((names,) if isinstance(names, str) else names for names in _BLIP_OTHERS)]
    return all(any(name in present for name in names) for names in alternatives)


def _published(hub_id: str) -> tuple[str, ...]:
    kind: Kind = next((kind for kind, known in TAGGERS.values() if known == hub_id), "wd")
    files = TAGGER_FILES[kind]
    return files.model, files.tags
