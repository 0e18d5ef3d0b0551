"""What the UNet of a single file predicts, noise or velocity: its weights do not tell, so other things are asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.families import SD2, Family

Prediction = Literal["epsilon", "v_prediction"]

_OFFICIAL = {
    "512-base-ema": "epsilon",
    "v2-0_512": "epsilon",
    "v2-1_512": "epsilon",
    "768-v-ema": "v_prediction",
    "v2-0_768": "v_prediction",
    "v2-1_768": "v_prediction",
}
"""How the names of Stability's own SD 2.x files begin."""
_LONGEST_YAML = 100_000


def find_prediction(path: Path, names: Mapping[str, Any], metadata: Mapping[str, str], family: Family) -> str:
    """ "epsilon", "v_prediction", or "" where nothing tells; only SD 2.x comes in both kinds as a rule.

    Asked in turn: the file's metadata (modelspec), a tensor "v_pred" that some trainers leave as a mark, the ``.yaml``
    beside the file, the names of the official files.
    """
    said = metadata.get("modelspec.prediction_type", "").lower()
    architecture = metadata.get("modelspec.architecture", "").lower()
    if said in ("v", "v_prediction", "v-prediction", "vpred") or architecture.endswith("768-v"):
        return "v_prediction"
    if said in ("epsilon", "eps") or architecture.endswith("v2-512"):
        return "epsilon"
    if "v_pred" in names:
        return "v_prediction"
    beside = _of_yaml(path)
    if beside:
        return beside
    if family != SD2:
        return "epsilon"
    return next((kind for start, kind in _OFFICIAL.items() if path.name.lower().startswith(start)), "")


def configurations_of(path: Path) -> tuple[Path, ...]:
    """Where a configuration may lie beside a checkpoint; it says a part of what the model is."""
    return path.with_suffix(".yaml"), path.with_suffix(".yml")


def _of_yaml(path: Path) -> str:
    """Of the configuration that lies beside a checkpoint; it is searched, not interpreted."""
    for beside in configurations_of(path):
        if not beside.is_file():  # opening a pipe would wait for ever
            continue
        try:
            with beside.open(encoding="utf-8", errors="replace") as file:
                text = file.read(_LONGEST_YAML)
        except OSError:
            continue
        if match := re.search(r"^[ \t]*parameterization[ \t]*:[ \t]*[\"']?(\w+)", text, re.MULTILINE):
            return {"v": "v_prediction", "eps": "epsilon"}.get(match[1].lower(), "")
        if re.search(r"^[ \t]*target[ \t]*:[ \t]*\S+\.LatentDiffusion\s*?$", text, re.MULTILINE):
            return "epsilon"  # what that class does unless it is told otherwise
    return ""


def settle_prediction(model: BaseModel, asked: str) -> BaseModel:
    """The model with what a recipe's ``model.prediction_type`` says of it. Raises InputError where nobody says.

    SD 2.x predicts velocity at 768 x 768 and noise at 512 x 512, so that the native size of a single file follows.
    """
    kind = model.prediction_type if asked == "auto" else asked
    if kind not in ("epsilon", "v_prediction"):
        if kind:
            raise InputError(
                "model-unsupported",
                f"model.path: the model predicts {kind!r}",
                "Models that predict epsilon or v_prediction can be trained on.",
            )
        raise InputError(
            "prediction-unknown",
            "model.prediction_type: choose epsilon (512) or v_prediction (768)",
            f"{model.path.name} does not tell: --set model.prediction_type=v_prediction, or put its .yaml beside it.",
        )
    if kind == model.prediction_type or not model.is_single_file:
        return model
    return with_prediction(model, kind)


def with_prediction(model: BaseModel, kind: str) -> BaseModel:
    """A single file's model that predicts ``kind``; "" where that is not known, with the sizes of SD 2.x at 768."""
    components = {part: dict(config) for part, config in model.components.items()}
    if kind:
        components["scheduler"]["prediction_type"] = kind
    if model.family == SD2 and kind == "epsilon":
        components["unet"] |= {"upcast_attention": False}
    size = native_size(model.family, kind)
    components["unet"]["sample_size"] = size // model.latent_factor
    return replace(model, prediction_type=kind, native_size=size, components=components)


def native_size(family: Family, kind: str) -> int:
    """Pixels a side of the published models."""
    if family == SD2:
        return 512 if kind == "epsilon" else 768
    return family.native_size
