"""What the single files of the published families lack: configurations, and CLIP's vocabulary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tinv_tui.models.families import Family

FOLDER = Path(__file__).parent / "configs"
_PADS = {
    ("SD1", "tokenizer"): "pad_end",
    ("SD2", "tokenizer"): "pad_zero",
    ("SDXL", "tokenizer"): "pad_end",
    ("SDXL", "tokenizer_2"): "pad_zero",
}
"""Prompts are filled up with the end token by OpenAI's encoder, with token 0 by OpenCLIP's."""


@cache
def published_configs(family: Family) -> Mapping[str, Mapping[str, Any]]:
    """The configuration of each part, by folder name, of SD 1.5, SD 2.1 (768, v) or SDXL 1.0."""
    return dict(json.loads((FOLDER / f"{family.name.lower()}.json").read_text(encoding="utf-8")))


def tokenizer_folders(family: Family) -> tuple[Path, ...]:
    """One for each text encoder. They share one vocabulary, which lies in the folder above them."""
    return tuple(FOLDER / "tokenizer" / _PADS[family.name, encoder.tokenizer] for encoder in family.encoders)
