"""Reads and writes embedding files. Needs no torch: vectors are NumPy arrays.

The file is a ``.safetensors`` with one tensor ``emb_params`` [vectors, width], fp32, which A1111, Forge, ComfyUI and
diffusers load; SDXL has ``clip_l`` and ``clip_g`` instead. Where it came from stands in the header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from tinv_tui.atomic import write_atomic
from tinv_tui.errors import InputError
from tinv_tui.models.number_formats import FLOAT_BYTES, as_fp32

Vectors = dict[str, NDArray[np.float32]]
"""Tensor name to rows, [vectors, width]."""

_MOST_BYTES = 64_000_000
"""Of an embedding file; 75 vectors for SDXL take less than one."""

FAMILY_OF_WIDTHS = {(768,): "SD1", (1024,): "SD2", (768, 1280): "SDXL"}


@dataclass(frozen=True)
class Embedding:
    """An embedding and what its file tells of it; a field the file does not tell is None."""

    name: str
    vectors: Vectors
    step: int | None = None
    base_model: str | None = None
    family: str | None = None
    """Told by the widths when read; None for a width no family has, as that of the bundled model."""
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Vectors per token."""
        return int(next(iter(self.vectors.values())).shape[0])

    @property
    def norms(self) -> list[float]:
        """Euclidean length of each vector of the first tensor."""
        return [float(n) for n in np.linalg.norm(next(iter(self.vectors.values())), axis=1)]


def write_embedding(path: Path, embedding: Embedding) -> None:
    """Write atomically and read back. Raises InputError for values that are not finite, OSError when it cannot write."""
    for key, value in embedding.vectors.items():
        if not np.isfinite(value).all():
            raise InputError("not-finite", f"{path}: {key} holds values that are not finite", "Nothing was written.")
    header = {"name": embedding.name, **embedding.details}
    if embedding.step is not None:
        header["step"] = str(embedding.step)
    if embedding.base_model is not None:
        header["base_model"] = embedding.base_model
    rows = {key: np.ascontiguousarray(value, dtype=np.float32) for key, value in embedding.vectors.items()}
    metadata = {"tinv": json.dumps(header, sort_keys=True), "format": "pt"}
    write_atomic(path, _with_sorted_header(safetensors.numpy.save(rows, metadata=metadata)))
    written = read_embedding(path).vectors
    if any(not np.array_equal(written[key], value) for key, value in rows.items()):
        raise OSError(f"{path} does not read back as it was written")


def read_embedding(path: Path) -> Embedding:
    """Read a ``.safetensors`` embedding, ours or another tool's, or a picture that carries one.

    Raises InputError naming what is wrong with the file.
    """
    if not path.is_file():
        raise InputError("embedding-missing", f"there is no file {path}", "Give the path of an embedding file.")
    if path.suffix.lower() in (".png", ".webp"):
        from tinv_tui.embeddings.cards import read_card  # it needs this module

        return read_card(path)
    if path.suffix.lower() != ".safetensors":
        raise InputError(
            "embedding-format",
            f"{path}: {path.suffix or 'a file without extension'} cannot be read yet",
            "Give a .safetensors file, or a picture that carries an embedding.",
        )
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
        if path.stat().st_size > _MOST_BYTES:
            raise InputError("not-an-embedding", f"{path} is larger than any embedding", "Is it a LoRA or a model?")
        tensors = {key: _numbers(view, key) for key, view in safetensors.deserialize(path.read_bytes())}
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise InputError("embedding-broken", f"{path} is not a readable safetensors file: {error}", "") from None
    vectors = _as_vectors(tensors, path)
    header = _our_header(metadata)
    widths = tuple(sorted(rows.shape[1] for rows in vectors.values()))
    step = header.pop("step", None) or metadata.get("ss_steps") or metadata.get("step")
    name = header.pop("name", None) or (next(iter(tensors)) if _is_diffusers(tensors) else path.stem)
    return Embedding(
        name=name,
        vectors=vectors,
        step=int(step) if step and step.isdecimal() else None,
        base_model=header.pop("base_model", None),
        family=FAMILY_OF_WIDTHS.get(widths),
        details=header,
    )


def _numbers(view: Mapping[str, Any], key: str) -> NDArray[np.float32]:
    """A tensor as the library hands it over; NumPy itself has no bf16."""
    if view["dtype"] not in FLOAT_BYTES:
        raise ValueError(f"{key} holds {view['dtype']} numbers")
    return as_fp32(bytes(view["data"]), view["dtype"]).reshape(view["shape"])


def _with_sorted_header(data: bytes) -> bytes:
    """The library writes metadata in random order; the same embedding must be the same bytes."""
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def format_of(vectors: Vectors) -> str:
    """What kind of file :func:`read_embedding` read, in words a user of several tools knows."""
    return "safetensors (SDXL)" if set(vectors) == {"clip_l", "clip_g"} else "safetensors"


def _our_header(metadata: Mapping[str, str]) -> dict[str, str]:
    try:
        header = json.loads(metadata.get("tinv", "{}"))
    except json.JSONDecodeError:
        return {}
    return {str(k): str(v) for k, v in header.items()} if isinstance(header, dict) else {}


def _is_diffusers(tensors: Mapping[str, NDArray[np.float32]]) -> bool:
    return len(tensors) == 1 and next(iter(tensors)) != "emb_params"


def _as_vectors(tensors: Mapping[str, NDArray[np.float32]], path: Path) -> Vectors:
    known = ("emb_params",) if "emb_params" in tensors else ("clip_l", "clip_g")
    chosen = {key: tensors[key] for key in known if key in tensors}
    if not chosen and len(tensors) == 1:
        chosen = {"emb_params": next(iter(tensors.values()))}
    if not chosen:
        raise InputError(
            "not-an-embedding",
            f"{path} holds {len(tensors)} tensors, none of which is an embedding",
            "Is it a LoRA or a model?",
        )
    rows = {k: np.atleast_2d(np.asarray(v, dtype=np.float32)) for k, v in chosen.items()}
    if any(v.ndim != 2 or v.shape[0] > 1000 for v in rows.values()):
        raise InputError("not-an-embedding", f"{path}: the tensor's shape is not that of an embedding", "")
    return rows
