"""An embedding in memory: named rows of numbers, and what is known of where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Vectors: TypeAlias = "dict[str, NDArray[np.float32]]"
"""Tensor name to rows, [vectors, width]. The names are ``emb_params`` where there is one text encoder, else ``clip_l``,
``clip_g`` and ``t5xxl``."""

TENSORS = ("emb_params", "clip_l", "clip_g", "t5xxl")
"""All names of tensors there are, in order."""
SDXL_TENSORS = ("clip_l", "clip_g")

FAMILY_OF_WIDTHS = {
    (768,): "SD1",
    (1024,): "SD2",
    (768, 1280): "SDXL",
    (768, 1280, 4096): "SD3",
    (768, 4096): "Flux",
}
"""The widths of an embedding's tensors, in the order of :data:`TENSORS`, and who takes them."""

STEPS_BEFORE = "steps_before"
"""The detail of a copy whose run went on from another embedding: the steps that were in that one."""

UNTRAINABLE = ("SD3", "Flux")
"""Families whose embeddings are known for what they are, and which no base model here takes."""


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
    format: str = "safetensors"
    """What kind of file it was read from, in words a user of several tools knows."""
    history: Mapping[str, Any] = field(default_factory=dict)
    """How it was made, as far as its file tells: recipe, dataset, loss, tool. JSON's types."""

    @property
    def count(self) -> int:
        """Vectors per token."""
        return int(next(iter(self.vectors.values())).shape[0])

    @property
    def told_family(self) -> str | None:
        """The family that its widths tell, else the one that its file names, as that of an embedding of the bundled model."""
        return self.family or self.details.get("family")

    @property
    def base_model_hash(self) -> str | None:
        """Of the base model's file: SHA-256 in hex, or the first ten digits of it where A1111 wrote the file."""
        return self.details.get("base_model_hash") or self.details.get("sd_checkpoint")

    @property
    def steps_in_all(self) -> int:
        """What its file tells of the steps that are in it; of a copy, with those before its run."""
        before = self.details.get(STEPS_BEFORE, "")
        return (self.step or 0) + (int(before) if before.isdecimal() and len(before) < 16 else 0)

    @property
    def norms(self) -> list[float]:
        """Euclidean length of each vector of the first tensor."""
        return norms_of(next(iter(self.vectors.values())))


def norms_of(rows: NDArray[np.float32]) -> list[float]:
    """Euclidean length of each row."""
    import numpy as np

    return [float(n) for n in np.linalg.norm(rows.astype(np.float64), axis=1)]


def family_of(vectors: Mapping[str, NDArray[np.float32]]) -> str | None:
    """The family that takes tensors of these names and widths, or None."""
    if any(name.endswith("_out") for name in vectors) or set(vectors) == {"clip_g"}:
        return None
    return FAMILY_OF_WIDTHS.get(tuple(vectors[name].shape[1] for name in TENSORS if name in vectors))
