"""Where the parts of a base model lie in a single file of the original layout ("LDM"), by the names of its tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tinv_tui.models.families import SD1, SD2, SDXL, Family

UNET = "model.diffusion_model."
EMA = "model_ema.diffusion_model"
VAE = "first_stage_model."
TEXT_ENCODERS: Mapping[str, Mapping[str, str]] = {
    SDXL.name: {
        "text_encoder": "conditioner.embedders.0.transformer.",
        "text_encoder_2": "conditioner.embedders.1.model.",
    },
    SD2.name: {"text_encoder": "cond_stage_model.model."},
    SD1.name: {"text_encoder": "cond_stage_model.transformer."},
}
"""By family and folder: transformers' names follow after "transformer.", OpenCLIP's after "model."."""
TOKEN_TABLES = ("text_model.embeddings.token_embedding.weight", "token_embedding.weight")
"""The token table's name behind a text encoder's prefix."""

_FLAT = re.compile(
    r"(?<=put_blocks)\d+(?=\d\D)|input_blocks|output_blocks|middle_block|transformer_blocks|time_embed|label_emb|in_layers"
    r"|emb_layers|out_layers|skip_connection|proj_in|proj_out|attn[12]|norm[123]?|to_[qkv]|to_out|ff|net|proj|op|conv|out"
    r"|weight|bias|(?<=transformer_blocks)\d+|\d"
)


@dataclass(frozen=True)
class Parts:
    """Which tensor of a file is which of a part: for the part's folder name, the original name to the file's."""

    family: Family | None
    """None where the file holds no text encoder that tells."""
    names: Mapping[str, Mapping[str, str]]
    """Of unet, vae, text_encoder, text_encoder_2; those that are absent are left out."""
    is_average: bool = False
    """Whether the UNet's weights are its running averages (EMA), where the file has no others."""


def find_parts(names: Iterable[str]) -> Parts:
    """Sort a file's tensors by part.

    A training file holds the UNet twice, and its plain weights are taken, as everybody does. Averages alone have names
    without dots, which are put back.
    """
    names = list(names)
    unet, is_average = _behind(UNET, names), False
    if not unet:
        flat = _behind(EMA, names)
        unet, is_average = {_with_dots(name): stored for name, stored in flat.items()}, bool(flat)
    found = {"unet": unet, "vae": _behind(VAE, names)}
    family = next((f for f in (SDXL, SD2, SD1) if all(_has(p, names) for p in TEXT_ENCODERS[f.name].values())), None)
    for folder, prefix in TEXT_ENCODERS[family.name].items() if family else ():
        inside = _behind(prefix, names)
        if "transformer." in prefix:  # the oldest files leave "text_model." out
            inside = {f"text_model.{name.removeprefix('text_model.')}": stored for name, stored in inside.items()}
        found[folder] = inside
    return Parts(family, {part: inside for part, inside in found.items() if inside}, is_average)


def _behind(prefix: str, names: Iterable[str]) -> dict[str, str]:
    return {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}


def _has(prefix: str, names: Iterable[str]) -> bool:
    return any(name.startswith(prefix) for name in names)


def _with_dots(flat: str) -> str:
    """``input_blocks41transformer_blocks0attn1to_qweight`` is ``input_blocks.4.1.transformer_blocks.0.attn1.to_q.weight``."""
    return ".".join(_FLAT.findall(flat))
