"""Base models by hub id (``owner/name``): where one lies on this machine, and which of its files are fetched.

Looking is done in the Hub's own cache and touches no network; ``hub_fetch`` is the only module of the program that does.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from tinv_tui.errors import InputError

PARTS = ("text_encoder", "text_encoder_2", "unet", "vae")
"""The folders of a model that hold weights; SDXL has both text encoders."""
_NEEDED_PARTS = ("text_encoder", "unet", "vae")
_CONFIGS = re.compile(
    r"model_index\.json|(text_encoder|text_encoder_2|unet|vae)/config\.json|scheduler/scheduler_config\.json"
    r"|(tokenizer|tokenizer_2)/[^/]+\.(json|txt)"
)
_WEIGHTS = re.compile(
    r"(?P<part>text_encoder|text_encoder_2|unet|vae)/(model|pytorch_model|diffusion_pytorch_model)"
    r"(?P<half>\.fp16)?(-\d{5}-of-\d{5})?(?P<also_half>\.fp16)?\.(?P<kind>safetensors|bin)"
)
"""Not those that end in .non_ema and the like: a fetched folder holds one set."""
_KINDS = (("safetensors", True), ("safetensors", False), ("bin", True), ("bin", False))
"""(kind, half precision), the best first: half precision is half the bytes, and what training uses anyway."""


def is_hub_id(text: str, beside: Path) -> bool:
    """Whether a text reads ``owner/name`` and no file or folder of that name lies in ``beside``."""
    return looks_like_hub_id(text) and not (beside / text).exists()


def looks_like_hub_id(text: str) -> bool:
    if text.lower().endswith((".safetensors", ".ckpt", ".pt", ".bin")):  # a file that is not there
        return False
    return bool(re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", text)) and ".." not in text


def cache_folder() -> Path:
    """The Hub's cache on this machine; may not exist."""
    environment = os.environ
    home = environment.get("HF_HOME") or os.path.join(environment.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(os.path.expanduser(environment.get("HF_HUB_CACHE") or os.path.join(home, "hub")))


def snapshots(hub_id: str) -> list[Path]:
    """The snapshots of a hub id in the Hub's cache, whole or not, the one of its main branch first."""
    repository = cache_folder() / f"models--{hub_id.replace('/', '--')}"
    try:
        main = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        main = ""
    try:
        return sorted((repository / "snapshots").iterdir(), key=lambda folder: (folder.name != main, folder.name))
    except OSError:
        return []


def cached_folder(hub_id: str) -> Path | None:
    """The snapshot of a base model that holds all that training needs; None where there is none."""
    return next((folder for folder in snapshots(hub_id) if _is_whole(folder)), None)


def cached_models() -> list[tuple[str, Path]]:
    """Hub id and folder of every base model in the Hub's cache, by id."""
    try:
        repositories = sorted(cache_folder().glob("models--*--*"))
    except OSError:
        return []
    ids = ("/".join(r.name.removeprefix("models--").split("--", 1)) for r in repositories)
    return [(hub_id, folder) for hub_id in ids if (folder := cached_folder(hub_id)) is not None]


def fetched_folder(hub_id: str) -> Path:
    """:func:`cached_folder`, or InputError with how to get it."""
    folder = cached_folder(hub_id)
    if folder is None:
        raise InputError(
            "model-not-fetched",
            f"model.path: {hub_id} is not on this machine",
            f"Fetch it from the Hub with: tinv-tui models --fetch {hub_id}; if it is a path, nothing is there.",
        )
    return folder


def _is_whole(folder: Path) -> bool:
    """Every part has its configuration and a whole set of weights; a link whose file was taken away does not count."""
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        files = [p.relative_to(folder).as_posix() for p in folder.glob("*/*") if p.is_file()]
    except (OSError, ValueError):
        return False
    parts = [part for part in PARTS if part in _NEEDED_PARTS or (isinstance(index, dict) and part in index)]
    configs = {*(f"{part}/config.json" for part in parts), "scheduler/scheduler_config.json"}
    words = {"tokenizer/tokenizer.json", "tokenizer/vocab.json"}
    return configs <= set(files) and bool(words & set(files)) and all(_sets(files, part) for part in parts)


def _sets(files: Iterable[str], part: str) -> dict[tuple[str, bool], list[str]]:
    """The whole sets of weights of a part, by kind and whether they are in half precision."""
    found = dict[tuple[str, bool], list[str]]()
    for name in files:
        match = _WEIGHTS.fullmatch(name)
        if match is not None and match["part"] == part:
            found.setdefault((match["kind"], bool(match["half"] or match["also_half"])), []).append(name)
    return {key: names for key, names in found.items() if _has_all_shards(names)}


def _has_all_shards(names: list[str]) -> bool:
    shards = [match for name in names if (match := re.search(r"-\d{5}-of-(\d{5})", name))]
    return len(shards) < len(names) or len(shards) == int(shards[0][1])


def needed_files(files: Iterable[str], hub_id: str) -> list[str]:
    """Of all files of a model those that training needs, with one set of weights. Raises InputError if they are no model."""
    names = list(files)
    if "model_index.json" not in names:
        raise InputError(
            "model-format",
            f"{hub_id} is no diffusers folder: it has no model_index.json",
            "Get one of its .safetensors files by hand, or give the id of a diffusers model.",
        )
    sets = {part: found for part in PARTS if (found := _sets(names, part))}
    lacking = [part for part in _NEEDED_PARTS if part not in sets]
    if lacking:
        raise InputError("model-format", f"{hub_id} holds no weights of its {lacking[0]}", "Give another model.")
    # One precision for all parts: a folder whose parts differ in it is read as the full one.
    half = all(any(is_half for _, is_half in found) for found in sets.values())
    chosen = list[str]()
    for found in sets.values():
        best = next(key for key in _KINDS if key in found and (key[1] == half or (key[0], not key[1]) not in found))
        chosen += found[best]
        if len(found[best]) > 1:
            folder = found[best][0].partition("/")[0]
            chosen += [n for n in names if n.startswith(f"{folder}/") and ".index." in n and n.endswith(".json")]
    return sorted({*(n for n in names if _CONFIGS.fullmatch(n)), *chosen})
