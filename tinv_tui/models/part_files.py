"""Chooses which weight files of a diffusers folder's part are loaded, and so counted, hashed and read ahead: no others are.

A folder may hold the same weights several times, in half precision, without the averaging (``.non_ema``), as ``.bin``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tinv_tui.errors import InputError

_STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
_HALF = ".fp16"


def part_files(folder: Path, key: str = "model.path") -> list[Path]:
    """The weight files of one part: safetensors rather than ``.bin``, full names rather than "fp16".

    Several where they come in shards. Raises InputError, which names the recipe's ``key``, when there are none, or not all.
    """
    if found := part_files_if_any(folder, key):
        return found
    away = next((path for path in sorted(folder.glob("*")) if path.is_symlink() and not path.exists()), None)
    said = f"{folder} holds no weights" if away is None else f"{away}: No such file or directory"  # a link to nowhere
    raise InputError("model-broken", f"{key}: {said}", "The model folder is incomplete.")


def part_files_if_any(folder: Path, key: str = "model.path") -> list[Path]:
    """The same, but none where there are none. Raises InputError for shards of which some are missing."""
    for kind in ("safetensors", "bin"):
        for variant in ("", _HALF):
            for stem in _STEMS:
                single = folder / f"{stem}{variant}.{kind}"
                if single.is_file():
                    return [single]
                for index in (f"{stem}.{kind}.index{variant}.json", f"{stem}{variant}.{kind}.index.json"):
                    if (folder / index).is_file():
                        return _shards(folder / index, key)
    return []


def is_half(file: Path) -> bool:
    """Whether its name says that it is in half precision."""
    return _HALF in file.suffixes or f"{_HALF}-" in file.name


def _shards(index: Path, key: str) -> list[Path]:
    try:
        told: Any = json.loads(index.read_text(encoding="utf-8"))
        names = sorted({str(name) for name in told["weight_map"].values()})
        for name in names:
            if Path(name).name != name:
                raise ValueError(f"it names {name}, which is not beside it")
            if not (index.parent / name).is_file():
                raise ValueError(f"{name} is missing")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError("model-broken", f"{key}: {index}: {error}", "The folder is incomplete.") from None
    return [index.parent / name for name in names]
