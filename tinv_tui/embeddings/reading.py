"""Reads an embedding from any file that can hold one. Needs no torch, and runs nothing that is in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinv_tui.embeddings.embedding import SDXL_TENSORS, Embedding, family_of
from tinv_tui.embeddings.formats import CARD_SUFFIXES, READABLE
from tinv_tui.embeddings.headers import OUR_KEY, whole_step, with_header
from tinv_tui.embeddings.pairs import joined
from tinv_tui.embeddings.recognise import Found, find_embedding
from tinv_tui.errors import InputError
from tinv_tui.models.no_weights import what_came_instead
from tinv_tui.models.safetensors_file import read_safetensors
from tinv_tui.models.stored_tensor import StoredTensor, read_numbers
from tinv_tui.models.torch_file import read_torch_file
from tinv_tui.printable import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LONGEST_NAME = 255
_CODES = {
    "safetensors-broken": "embedding-broken",
    "torch-file-broken": "embedding-broken",
    "tensor-broken": "embedding-broken",
    "torch-file-unsafe": "embedding-unsafe",
}


def read_embedding(path: Path, term: str = "", *, suffix: str = "") -> Embedding:
    """Read an embedding: ours, another tool's, or that of a picture. ``term`` chooses where a file holds several.

    ``suffix`` is the extension that a file is to get which has a temporary name yet; such a file is read by itself. Of two
    that belong together either gives the whole.

    What the file says of itself is put on one line, without control characters. Raises InputError naming what is wrong
    with the file, or what it is instead.
    """
    try:
        held = _read(path, term, (suffix or path.suffix).lower(), _rows)
        if not suffix:
            held = joined(path, held, lambda other: _read(other, "", other.suffix.lower(), _rows))
    except OSError as error:
        raise InputError("embedding-broken", f"{path} cannot be read: {error.strerror or error}", "") from None
    return replace(
        held,
        name=printable(held.name[:_LONGEST_NAME]),
        base_model=printable(held.base_model[:_LONGEST_NAME]) if held.base_model else held.base_model,
        details={printable(key): printable(value) for key, value in held.details.items()},
    )


def read_step(path: Path) -> int | None:
    """The step that the file of an embedding tells, its numbers not read: that takes no NumPy. Raises InputError."""
    try:
        return _read(path, "", path.suffix.lower(), _shape_of).step
    except OSError as error:
        raise InputError("embedding-broken", f"{path} cannot be read: {error.strerror or error}", "") from None


def _read(path: Path, term: str, suffix: str, rows: Callable[[Path, StoredTensor], Any]) -> Embedding:
    """Raises InputError, OSError."""
    if not path.is_file():
        raise InputError("embedding-missing", f"there is no file {path}", "Give the path of an embedding file.")
    if suffix in CARD_SUFFIXES:
        from tinv_tui.embeddings.cards import read_card

        return read_card(path)
    if suffix == ".optim":
        raise InputError(
            "not-an-embedding", f"{path} is an optimiser's state", "The embedding is the file without .optim."
        )
    if suffix not in READABLE:
        raise InputError(
            "embedding-format",
            f"{path}: {suffix or 'a file without extension'} is no format of embeddings",
            f"Give one that ends in {' '.join(READABLE)}.",
        )
    try:
        with path.open("rb") as file:
            start = file.read(256)
        if came := what_came_instead(start):
            raise InputError("embedding-broken", f"{path} is {came[0]}", came[1])
        is_torch = start.startswith((b"PK\x03\x04", b"\x80"))
        # What is in it counts, not what it is called: .pti and .bin are in use for both.
        if is_torch and not _is_safetensors(path):
            return _of_tree(read_torch_file(path), {}, term, path, "torch", rows)
        if suffix in (".safetensors", ".pti") or _is_safetensors(path):
            tensors, metadata = read_safetensors(path)
            return _of_tree(tensors, metadata, term, path, "safetensors", rows)
        return _of_tree(read_torch_file(path), {}, term, path, "torch", rows)
    except InputError as error:
        raise InputError(_CODES.get(error.code, error.code), error.message, error.hint) from None


def _is_safetensors(path: Path) -> bool:
    """A length, then a table in braces."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[6:9] == b"\x00\x00{"


def _of_tree(
    tree: Any,
    metadata: Mapping[str, str],
    term: str,
    path: Path,
    container: str,
    rows: Callable[[Path, StoredTensor], Any],
) -> Embedding:
    found = find_embedding(tree, term, path)
    vectors = {name: rows(path, tensor) for name, tensor in found.tensors.items()}
    facts = found.facts
    step = (whole_step(told) for told in (facts.get("step"), metadata.get("ss_steps"), metadata.get("step")))
    model_hash = facts.get("sd_checkpoint") or facts.get("hash")  # the second is A1111's of 2022
    model = facts.get("sd_checkpoint_name")
    details = {"left_out": ", ".join(found.left_out)} if found.left_out else {}
    if isinstance(model_hash, str) and model_hash:
        details["sd_checkpoint"] = model_hash[:64]
    embedding = Embedding(
        name=found.called or path.stem,
        vectors=vectors,
        step=next((number for number in step if number is not None), None),
        base_model=model if isinstance(model, str) and model else None,
        family=family_of(vectors),
        details=details,
        format=_format_said(found, vectors, container),
    )
    return with_header(embedding, metadata.get(OUR_KEY, facts.get(OUR_KEY)))


def _format_said(found: Found, vectors: Mapping[str, object], container: str) -> str:
    said = found.format or container
    if said == "diffusers":
        said = "diffusers .bin" if container == "torch" else "diffusers"
    return f"{said} (SDXL)" if set(vectors) == set(SDXL_TENSORS) and said == container else said


def _rows(path: Path, tensor: StoredTensor) -> NDArray[np.float32]:
    import numpy as np

    return np.atleast_2d(read_numbers(path, tensor))


@dataclass(frozen=True)
class _Unread:
    """Rows of which the shape alone is known."""

    shape: tuple[int, ...]


def _shape_of(path: Path, tensor: StoredTensor) -> _Unread:
    return _Unread((1, 1, *tensor.shape)[-2:])
