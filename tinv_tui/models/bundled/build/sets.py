"""Draws the picture sets that ship with the model: five pictures each of something it has no word for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tinv_tui.models.bundled.build import drawing

SETS: dict[str, tuple[float, str]] = {
    "chartreuse": (86.0, "circle"),
    "indigo": (254.0, "square"),
    "rose": (326.0, "ring"),
}
"""Name, hue in degrees and shape. Each hue lies in the middle between two colour words."""

_BACKGROUNDS = ("gray", "beige", "navy", "azure", "black", "brown", "pink", "white")


def draw_set(folder: Path, hue: float, shape: str, seed: int, pictures: int = 5) -> None:
    """Draw pictures of one hue (within 2 degrees) and shape on different backgrounds, with captions beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng((seed, round(hue)))
    backgrounds = rng.permutation([b for b in _BACKGROUNDS if _contrasts(b, hue)])
    for number in range(pictures):
        background = str(backgrounds[number % len(backgrounds)])
        scene = drawing.draw_scene_parameters(
            rng,
            hue=(hue + rng.uniform(-2, 2)) % 360,
            shape=shape,
            texture="plain",
            look="normal",
            count=1,
            background=background,
            size=("large", "medium")[number % 2],
            position="centre",
        )
        path = folder / f"{number + 1:03d}.png"
        Image.fromarray(drawing.render(scene)).save(path, optimize=True)
        path.with_suffix(".txt").write_text(f"{shape} on a {background} background\n", encoding="utf-8")


def _contrasts(background: str, hue: float) -> bool:
    """Leave out backgrounds close to the object's colour."""
    near = {"pink": 340.0, "azure": 207.0, "navy": 230.0, "beige": 40.0, "brown": 28.0}
    return background not in near or abs((near[background] - hue + 180) % 360 - 180) > 45


def draw_all(folder: Path) -> None:
    """Draw every bundled set anew; the same pictures each time."""
    for name, (hue, shape) in SETS.items():
        draw_set(folder / name, hue, shape, seed=1)
