"""The tiny Stable Diffusion model that ships with the program, and pictures to try it on."""

from __future__ import annotations

from pathlib import Path

NAME = "bundled"
FOLDER = Path(__file__).resolve().parent / "model"
"""A diffusers folder, readable by ``StableDiffusionPipeline.from_pretrained``."""

SETS = {
    "chartreuse": "a colour between yellow and green",
    "indigo": "a colour between blue and purple",
    "rose": "a colour between magenta and crimson",
    "flower": "a shape",
    "ripple": "a texture",
    "neon": "a look over the whole picture",
}
"""What each bundled picture set has in common, the demo's own first. The model has no word for any of it."""

LOOKS = ("neon",)
"""Those of the sets whose pictures share a look and nothing else: they are learned as a style."""

_SETS_FOLDER = Path(__file__).resolve().parent / "sets"


def picture_sets() -> dict[str, Path]:
    """Name and folder of each bundled dataset, in the order of :data:`SETS`."""
    return {name: _SETS_FOLDER / name for name in SETS}
