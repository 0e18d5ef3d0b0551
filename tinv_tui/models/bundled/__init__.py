"""The tiny Stable Diffusion model that ships with the program, and pictures to try it on."""

from __future__ import annotations

from pathlib import Path

NAME = "bundled"
FOLDER = Path(__file__).resolve().parent / "model"
"""A diffusers folder, readable by ``StableDiffusionPipeline.from_pretrained``."""

LOOKS = ("neon",)
"""Those of the sets whose pictures share a look and nothing else: they are learned as a style."""

_SETS = Path(__file__).resolve().parent / "sets"


def picture_sets() -> dict[str, Path]:
    """Name and folder of each bundled dataset, the demo's first."""
    return {folder.name: folder for folder in sorted(_SETS.iterdir()) if folder.is_dir()}
