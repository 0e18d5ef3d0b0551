"""What a run was made of, so that a resume can tell whether its model or its pictures have become others meanwhile.

A file whose size and time are as they were is taken for the same; one with another time is read, where its hash is known
from before. Pictures are only said to differ: the run holds all it needs of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tinv_tui.atomic import write_atomic
from tinv_tui.errors import InputError
from tinv_tui.models.hashes import known_hash, model_hash
from tinv_tui.models.identify import locate
from tinv_tui.recipe import Recipe
from tinv_tui.runs.folder import RunFolder

PICTURE_HASH_DIGITS = 12
_READ_BYTES = 2**24
"""Files of a model up to this size are hashed at once; larger ones only in the background, by others."""
_MODEL_FILES = (".safetensors", ".ckpt", ".bin", ".pt", ".pth", ".json", ".txt")
_NAMED = 3


@dataclass(frozen=True)
class InputChange:
    """``key`` is the setting whose files differ, ``what`` says which."""

    key: Literal["model.path", "dataset.path"]
    what: str


@dataclass(frozen=True)
class InputsNow:
    """The inputs of a run beside what they were."""

    changes: tuple[InputChange, ...] = ()
    pictures_gone: int = 0


def record_inputs(folder: RunFolder, recipe: Recipe, pictures: Mapping[Path, str]) -> None:
    """Note the files a run begins with; ``pictures`` are their paths and hashes. Raises OSError."""
    root = locate(recipe.model.path, folder.path)
    content = {
        "model": {name: _stamp(file) | {"sha256": _small_hash(file)} for name, file in _model_files(root).items()},
        "model_hash": _known_hash(root),
        "pictures": {str(p): _stamp(p) | {"sha256": digest} for p, digest in pictures.items() if p.is_file()},
    }
    write_atomic(folder.inputs, json.dumps(content, indent=1))


def accept_inputs(folder: RunFolder, recipe: Recipe) -> None:
    """Take the inputs as they are now for those of the run. Raises OSError."""
    then = _read(folder)
    pictures = {Path(path): stamp["sha256"] for path, stamp in then.get("pictures", {}).items()}
    record_inputs(folder, recipe, {path: _picture_hash(path) or digest for path, digest in pictures.items()})


def compare_inputs(folder: RunFolder, recipe: Recipe) -> InputsNow:
    """What differs; nothing for a run from before this was noted. Raises InputError for a model that has gone."""
    then = _read(folder)
    model = _model_changes(then, locate(recipe.model.path, folder.path)) if then.get("model") else []
    changed, gone = list[str](), 0
    for text, stamp in then.get("pictures", {}).items():
        path = Path(text)
        if not path.is_file():
            gone += 1
        elif _stamp(path) != _without_hash(stamp) and _picture_hash(path) != stamp["sha256"]:
            changed.append(path.name)
    changes = [InputChange("model.path", _in_words(model))] if model else []
    changes += [InputChange("dataset.path", _in_words(changed))] if changed else []
    return InputsNow(tuple(changes), gone)


def require_same(name: str, now: InputsNow) -> None:
    """Raise InputError where anything differs, saying what."""
    if now.changes:
        what = "; ".join(f"{change.key}: {change.what}" for change in now.changes)
        only_pictures = all(change.key == "dataset.path" for change in now.changes)
        hint = (
            "The run goes on with the pictures it began with: resume --anyway."
            if only_pictures
            else "Put the model back as it was; resume --anyway goes on with this one, and to other results."
        )
        raise InputError("inputs-changed", f"{name}: changed since the run began: {what}", hint)


def _known_hash(root: Path) -> str | None:
    try:
        return known_hash(root)
    except InputError:  # settings that cannot be read name no other program's cache
        return None


def _read(folder: RunFolder) -> dict[str, Any]:
    try:
        content = json.loads(folder.inputs.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _model_files(root: Path) -> dict[str, Path]:
    """By their names below the model's folder; a model of one file is called by its own name."""
    if root.is_file():
        return {root.name: root}
    found = (path for path in sorted(root.rglob("*")) if path.suffix in _MODEL_FILES and path.is_file())
    return {str(path.relative_to(root)): path for path in found}


def _model_changes(then: dict[str, Any], root: Path) -> list[str]:
    if not root.exists():
        raise InputError("model-missing", f"model.path: {root} is gone", "Put it back where it was.")
    files, doubtful, changed = _model_files(root), list[str](), list[str]()
    for name, stamp in then["model"].items():
        if name not in files:
            changed.append(f"{name} is gone")
            continue
        now = _stamp(files[name])
        if now == _without_hash(stamp):
            continue
        if now["size"] != stamp["size"]:
            changed.append(name)
        elif stamp["sha256"]:
            changed += [name] if _small_hash(files[name]) != stamp["sha256"] else []
        else:
            doubtful.append(name)
    if doubtful and (then.get("model_hash") is None or model_hash(root) != then["model_hash"]):
        changed += doubtful
    return changed


def _stamp(path: Path) -> dict[str, Any]:
    found = path.stat()
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns}


def _without_hash(stamp: dict[str, Any]) -> dict[str, Any]:
    return {"size": stamp["size"], "mtime_ns": stamp["mtime_ns"]}


def _small_hash(path: Path) -> str:
    """Empty for a file that takes too long to read."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.stat().st_size <= _READ_BYTES else ""


def _picture_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:PICTURE_HASH_DIGITS]
    except OSError:
        return ""


def _in_words(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
