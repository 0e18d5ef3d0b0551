"""Saves and restores a half-finished training, so that a build that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch


def fingerprint(weights: Mapping[str, torch.Tensor]) -> str:
    """Twelve digits that tell whether two builds have come to the same weights."""
    digest = hashlib.sha256()
    for name, tensor in weights.items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def save_progress(path: Path, parts: Mapping[str, Any], averaged: dict[str, torch.Tensor], step: int) -> None:
    """Write the state of every part (anything with ``state_dict``), the averaged weights and the step; atomic."""
    states = {name: part.state_dict() for name, part in parts.items()}
    temporary = path.with_suffix(".tmp")
    torch.save({"states": states, "averaged": averaged, "step": step}, temporary)
    os.replace(temporary, path)


def load_progress(path: Path, parts: Mapping[str, Any], averaged: dict[str, torch.Tensor], device: torch.device) -> int:
    """Restore what :func:`save_progress` wrote; returns the step reached, 0 when there is nothing to go on from."""
    if not path.exists():
        return 0
    saved = torch.load(path, map_location=device, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(saved["states"][name])
    averaged.update(saved["averaged"])
    return int(saved["step"])
