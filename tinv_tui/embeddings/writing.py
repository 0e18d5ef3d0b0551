"""Writes an embedding in any of the formats, and reads back what was written. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from PIL import Image

from tinv_tui.atomic import write_together
from tinv_tui.embeddings.cards import card_bytes
from tinv_tui.embeddings.embedding import SDXL_TENSORS, Embedding
from tinv_tui.embeddings.formats import OWN, Format, check_writable
from tinv_tui.embeddings.headers import OUR_KEY, header_text
from tinv_tui.embeddings.pairs import second_of
from tinv_tui.embeddings.reading import read_embedding
from tinv_tui.embeddings.torch_writing import torch_bytes
from tinv_tui.errors import InputError

_NO_TOKEN = "__metadata__"
"""The one name that a safetensors file keeps for itself."""
_PLAIN_PICTURE = (512, 512)
_ARCHITECTURES = {
    "SD1": "stable-diffusion-v1",
    "SD2": "stable-diffusion-v2-768-v",
    "SDXL": "stable-diffusion-xl-v1-base",
}
"""As the model specification of Stability AI calls them, which kohya writes."""


def files_of(path: Path, embedding: Embedding, form: Format = OWN) -> list[Path]:
    """The files that :func:`write_embedding` writes: diffusers has one for each text encoder."""
    if form.keys is None and len(embedding.vectors) > 1:
        return [path, second_of(path)]
    return [path]


def write_embedding(
    path: Path, embedding: Embedding, form: Format = OWN, *, half: bool = False, picture: Image.Image | None = None
) -> list[Path]:
    """Write, read back, and only then rename; the files. ``half`` writes fp16; ``picture`` is what lies under a card.

    Raises InputError for values that are not finite and for tensors the format has no place for, OSError when it cannot
    write. Nothing is written then.
    """
    check_writable(form, embedding.vectors, str(path))
    if form.keys is None and form.container == "safetensors" and embedding.name == _NO_TOKEN:
        raise InputError(
            "format-misfit", f"{path}: {form.said} has no place for a token called {_NO_TOKEN}", "Rename it."
        )
    kind = np.float16 if half else np.float32
    with np.errstate(over="ignore"):
        rows = {key: np.ascontiguousarray(value, dtype=kind) for key, value in embedding.vectors.items()}
    for key, value in rows.items():
        if not np.isfinite(value).all():
            room = " in half precision" if half and np.isfinite(embedding.vectors[key]).all() else ""
            raise InputError(
                "not-finite", f"{path}: {key} holds values that are not finite{room}", "Nothing was written."
            )
    if form.container == "picture":
        if half:
            raise InputError("format-misfit", f"{path}: a picture carries no half precision", "Leave out --half.")
        try:
            card = card_bytes(path, picture or Image.new("RGB", _PLAIN_PICTURE, (48, 52, 64)), embedding, "")
        except ValueError as error:
            raise InputError("format-misfit", f"{path}: {error}", "Write it as .safetensors.") from None
        write_together({path: card}, lambda path, temporary: _check_written(path, temporary, rows))
        return [path]
    files = files_of(path, embedding, form)
    parts = [{"emb_params": rows[name]} for name in SDXL_TENSORS] if len(files) > 1 else [rows]
    held = dict(zip(files, parts, strict=True))
    write_together(
        {file: _bytes(embedding, part, form) for file, part in held.items()},
        lambda path, temporary: _check_written(path, temporary, held[path]),
    )
    return files


def _bytes(embedding: Embedding, rows: Mapping[str, NDArray[Any]], form: Format) -> bytes:
    keys = form.keys or {"emb_params": embedding.name}
    tensors = {keys[name]: value for name, value in rows.items()}
    if form.name == "pt":
        return torch_bytes(_a1111(embedding, tensors))
    if form.container == "torch":
        return torch_bytes(tensors)
    metadata = {OUR_KEY: header_text(embedding), "format": "pt"}
    if form.name == "kohya":
        metadata |= _kohya(embedding)
    return _with_sorted_header(safetensors.numpy.save(dict(tensors), metadata=metadata))


def _a1111(embedding: Embedding, tensors: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """A1111's keys, and our header as one more, which it passes over. Of SDXL it takes every value for a tensor."""
    if "emb_params" not in tensors:
        return dict(tensors)
    told = {
        "name": embedding.name,
        "step": embedding.step,
        "sd_checkpoint": embedding.base_model_hash[:10] if embedding.base_model_hash else None,
        "sd_checkpoint_name": embedding.base_model,
        OUR_KEY: header_text(embedding),
    }
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": tensors["emb_params"]}, **told}


def _kohya(embedding: Embedding) -> dict[str, str]:
    told = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.title": embedding.name,
        "modelspec.trigger_phrase": embedding.name,
    }
    if embedding.family in _ARCHITECTURES:
        told["modelspec.architecture"] = f"{_ARCHITECTURES[embedding.family]}/textual-inversion"
    return told | ({"ss_steps": str(embedding.step)} if embedding.step is not None else {})


def _check_written(path: Path, temporary: Path, rows: Mapping[str, NDArray[Any]]) -> None:
    try:
        held = read_embedding(temporary, suffix=path.suffix).vectors
    except InputError as error:
        raise InputError(error.code, error.message.replace(str(temporary), str(path)), error.hint) from None
    if set(held) != set(rows) or any(not np.array_equal(held[key], value) for key, value in rows.items()):
        raise OSError(f"{path} does not read back as it was written")


def _with_sorted_header(data: bytes) -> bytes:
    """The library writes metadata in random order; the same embedding must be the same bytes."""
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def renamed(embedding: Embedding, path: Path, form: Format) -> Embedding:
    """The embedding under the name it will answer to: its token where that is in the file, else the file's stem."""
    return embedding if form.keys is None or form.container == "picture" else replace(embedding, name=path.stem)
