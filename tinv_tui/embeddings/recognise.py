"""Finds the embedding in what a file holds, whichever tool wrote it (reference a1111 §2.2, peers §6).

Tried in this order, which is A1111's and InvokeAI's with the formats of others between: A1111's dict, embeddings bundled in a
LoRA, replicate's, a tensor for each text encoder, the tensor's known names, one single tensor whatever it is called, several
that each look like an embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tinv_tui.embeddings.embedding import TENSORS
from tinv_tui.embeddings.other_files import UNKNOWN, what_it_is
from tinv_tui.errors import InputError
from tinv_tui.models.number_formats import FLOAT_BYTES
from tinv_tui.models.stored_tensor import StoredTensor
from tinv_tui.models.torch_file import tensors_in

_MOST_VECTORS, _WIDEST = 1000, 16_384
_BUNDLE = "bundle_emb."
_OUT = "_out"
"""Ends the names of OneTrainer's vectors that join behind the text encoder, not in front of it."""
_OURS = {
    "emb_params": "emb_params",
    "emp_params": "emb_params",
    "string_to_param.*": "emb_params",
    "clip_l": "clip_l",
    "clip_g": "clip_g",
    "t5": "t5xxl",
    "t5xxl": "t5xxl",
    "text_encoders_0": "clip_l",
    "text_encoders_1": "clip_g",
}
"""The names of other tools, and ours."""

Tensors = dict[str, StoredTensor]


@dataclass(frozen=True)
class Found:
    """The embedding in a file: its tensors by our names, and what the names around them tell."""

    tensors: Tensors
    format: str
    called: str = ""
    """The token it has in the file; "" where the file's own name is its name."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The values beside A1111's tensors."""
    left_out: tuple[str, ...] = ()
    """Tensors that belong to it, and that no prompt takes."""


def find_embedding(tree: Any, term: str, path: Path) -> Found:
    """``tree`` is what a file holds; ``term`` chooses where that is several embeddings.

    Raises InputError: "several-embeddings", "term-missing", or "not-an-embedding" for anything else.
    """
    if isinstance(tree, StoredTensor):
        return _one({"": Found({"emb_params": tree}, "a single tensor")}, term, path)
    held = tree if isinstance(tree, dict) else {}
    params = held.get("string_to_param")
    if isinstance(params, dict):
        terms = {
            str(key): Found({"emb_params": value}, "A1111 .pt", "" if key == "*" else str(key), held)
            for key, value in params.items()
            if isinstance(value, StoredTensor)
        }
        return _one(terms, term, path)
    flat = {str(key): value for key, value in held.items() if isinstance(value, StoredTensor)}
    bundled = {key: value for key, value in flat.items() if key.startswith(_BUNDLE)}
    if bundled:
        return _one(_bundles(bundled), term, path)
    named = _named(flat)
    if named is not None:
        return _one({"": replace(named, facts=held)}, term, path)
    alike = _alike(flat, held)
    if not alike:
        what = what_it_is(list(tensors_in(tree))[:5000])
        raise InputError(
            "not-an-embedding",
            f"{path} is no embedding: it is {what}",
            "Give the file of an embedding (a few kilobytes).",
        )
    return _one(alike, term, path)


def _named(flat: Tensors) -> Found | None:
    """The tensors whose names say what they are; what else lies beside them does not count."""
    ours = {_OURS[key]: value for key, value in flat.items() if key in _OURS}
    out = {
        _our_out(key): value for key, value in flat.items() if key.removesuffix(_OUT) in _OURS and key.endswith(_OUT)
    }
    if not ours:
        return Found(out, "OneTrainer, output side") if out else None
    if "emb_params" in ours:
        ours = {"emb_params": ours["emb_params"]}
    elif set(ours) == {"clip_l"}:
        ours = {"emb_params": ours["clip_l"]}  # the text encoder of SD 1.x is SDXL's first
    tool = "OneTrainer" if "emp_params" in flat or "t5" in flat or out else ""
    tool = "replicate .pti" if "text_encoders_0" in flat else tool
    order = [name for name in TENSORS if name in ours]
    return Found({name: ours[name] for name in order}, tool, left_out=tuple(sorted(out)))


def _our_out(key: str) -> str:
    return _OURS[key.removesuffix(_OUT)] + _OUT


def _bundles(flat: Tensors) -> dict[str, Found]:
    """``bundle_emb.<name>.<key>``; the name itself may hold dots."""
    by_name: dict[str, Tensors] = {}
    for key, tensor in flat.items():
        rest = key.removeprefix(_BUNDLE)
        for known in (*_OURS, *(f"{name}{_OUT}" for name in _OURS)):
            if rest.endswith(f".{known}"):
                by_name.setdefault(rest.removesuffix(f".{known}"), {})[known] = tensor
                break
    found = {name: _named(tensors) for name, tensors in by_name.items()}
    return {
        name: Found(held.tensors, "bundled in a LoRA", name, left_out=held.left_out)
        for name, held in found.items()
        if held is not None
    }


def _alike(flat: Tensors, held: Mapping[Any, Any]) -> dict[str, Found]:
    """One tensor under any name, or several that all have the shape of an embedding: a token each."""
    if not flat or (len(flat) > 1 and (len(flat) != len(held) or not all(map(_is_plausible, flat.values())))):
        return {}
    is_clear = len(flat) == 1 and _is_plausible(next(iter(flat.values())))  # whatever its token is
    if not is_clear and not what_it_is(flat).endswith(UNKNOWN):
        return {}
    return {key: Found({"emb_params": tensor}, "diffusers", key) for key, tensor in flat.items()}


def _is_plausible(tensor: StoredTensor) -> bool:
    *rows, width = tensor.shape or (0,)
    return len(rows) < 2 and 1 <= (rows or [1])[0] <= _MOST_VECTORS and 16 <= width <= _WIDEST


def _one(terms: Mapping[str, Found], term: str, path: Path) -> Found:
    names = ", ".join(name[:100] for name in list(terms)[:20]) + (
        f" and {len(terms) - 20} more" if len(terms) > 20 else ""
    )
    if not terms:
        raise InputError("not-an-embedding", f"{path}: its list of embeddings is empty", "")
    if term and term in terms:
        found = terms[term]
    elif term and (len(terms) > 1 or term not in ("*", next(iter(terms)), path.stem)):
        raise InputError(
            "term-missing", f"{path} holds no embedding called {term!r}", f"It holds {names or 'one without a name'}."
        )
    elif len(terms) > 1:
        raise InputError(
            "several-embeddings",
            f"{path} holds {len(terms)} embeddings: {names}",
            f"Choose one: --term NAME, or {path.name}#NAME where an embedding is continued.",
        )
    else:
        found = next(iter(terms.values()))
    for name, tensor in found.tensors.items():
        _check_shape(name, tensor, path)
    rows = {tensor.shape[0] if len(tensor.shape) == 2 else 1 for tensor in found.tensors.values()}
    if len(rows) != 1:
        raise InputError("not-an-embedding", f"{path}: its tensors hold different numbers of vectors", "")
    return found


def _check_shape(name: str, tensor: StoredTensor, path: Path) -> None:
    *rows, width = tensor.shape or (0,)
    shape = " x ".join(map(str, tensor.shape))
    if len(rows) > 1 or not 1 <= (rows or [1])[0] <= _MOST_VECTORS or not 1 <= width <= _WIDEST:
        raise InputError(
            "not-an-embedding", f"{path}: {name} is {shape or 'one number'}, which is no shape of an embedding", ""
        )
    if tensor.kind not in FLOAT_BYTES:
        raise InputError("embedding-broken", f"{path}: {name} holds {tensor.kind} numbers, which cannot be read", "")
