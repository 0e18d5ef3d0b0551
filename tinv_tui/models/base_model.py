"""A base model on disk: what is known of it without torch and without reading weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinv_tui.models.families import Family


@dataclass(frozen=True)
class BaseModel:
    """A base model on disk. Sizes are pixels."""

    name: str
    path: Path
    """A diffusers folder, or a single file."""
    family: Family
    widths: tuple[int, ...]
    """Of one vector in each text encoder: their hidden sizes."""
    native_size: int
    latent_factor: int
    """Pixels per latent cell and side."""
    latent_channels: int
    prediction_type: str
    """What its UNet predicts: "epsilon" or "v_prediction"; "" where the model does not tell, and the user has to."""
    encoder_layers: int
    """Of the text encoder that has the fewest."""
    tokenizer_folders: tuple[Path, ...]
    """One for each text encoder."""
    weight_bytes: int
    """Size on disk of the weights that are used."""
    number_kind: str = ""
    """How a single file holds its UNet: "F32", "F16", "BF16"; "" for a folder."""
    variant: str | None = None
    """"fp16" for a folder that holds no other weights."""
    encodes_empty: bool = False
    """Whether an empty negative prompt is encoded like any other, against its family's custom."""
    components: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, compare=False, repr=False)
    """The configuration of each part, by the name of its folder in a diffusers model: unet, vae, scheduler, text_encoder
    and, where there is one, text_encoder_2. A single file may come without vae."""

    @property
    def width(self) -> int:
        """Of one vector for all text encoders, side by side."""
        return sum(self.widths)

    @property
    def tensors(self) -> dict[str, int]:
        """The tensors of an embedding file for this model, with their widths."""
        return dict(zip(self.family.tensors, self.widths, strict=True))

    @property
    def zero_for_empty(self) -> bool:
        """Whether an empty negative prompt is zeros."""
        return self.family.zero_for_empty and not self.encodes_empty

    @property
    def is_single_file(self) -> bool:
        return not self.path.is_dir()

    @property
    def has_vae(self) -> bool:
        return "vae" in self.components

    @property
    def is_small(self) -> bool:
        """Too small for half precision or a second thread to pay: the bundled model, and toys in tests."""
        return self.weight_bytes < 50_000_000

    @property
    def size_grid(self) -> int:
        """Training sides are multiples of this: the UNet halves the latent a few times."""
        return self.latent_factor * 8 if self.native_size >= 256 else self.latent_factor * 4

    @property
    def tokenizer_folder(self) -> Path:
        """The first encoder's; all encoders of a family share their vocabulary and differ in the token that fills up."""
        return self.tokenizer_folders[0]
