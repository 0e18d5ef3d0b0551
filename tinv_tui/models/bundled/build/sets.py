"""Draws the picture sets that ship with the model: five pictures each of something it has no word for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tinv_tui.models.bundled.build import drawing, words


@dataclass(frozen=True)
class Concept:
    """What the pictures of a set have in common; what is None varies from picture to picture. ``hue`` in degrees."""

    hue: float | None = None
    shape: str | None = None
    texture: str | None = None
    look: str | None = None


SETS: dict[str, Concept] = {
    "chartreuse": Concept(hue=86, shape="circle"),
    "indigo": Concept(hue=254, shape="square"),
    "rose": Concept(hue=326, shape="ring"),
    "flower": Concept(shape="flower"),
    "ripple": Concept(texture="banded"),
    "neon": Concept(look="neon"),
}
"""Three hues, each in the middle between two colour words, a shape, a texture, and a look over the whole picture."""

_SHAPES_WITH_ROOM = ("circle", "square", "heart", "triangle", "diamond")
"""Shapes whose surface shows a texture well."""

_BACKGROUNDS = ("gray", "beige", "navy", "azure", "black", "brown", "pink", "white")
_HUE_OF_BACKGROUND = {"pink": 340.0, "azure": 207.0, "navy": 230.0, "beige": 40.0, "brown": 28.0}


def draw_concept(folder: Path, concept: Concept, seed: int, pictures: int = 5) -> list[NDArray[np.uint8]]:
    """Draw pictures of a concept on different backgrounds, captions beside them; returns the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng((seed, round(concept.hue or 0)))
    fitting = [b for b in _BACKGROUNDS if concept.hue is None or _contrasts(b, concept.hue)]
    backgrounds = rng.permutation(fitting)
    named_shapes = [shape for shape, names in words.SHAPES.items() if names and not names[0].startswith("_")]
    shapes = rng.permutation(_SHAPES_WITH_ROOM if concept.texture else named_shapes)
    drawn = []
    for number in range(pictures):
        fixed: dict[str, object] = {
            "shape": concept.shape or str(shapes[number % len(shapes)]),
            "texture": concept.texture or "plain",
            "look": concept.look or "normal",
            "background": str(backgrounds[number % len(backgrounds)]),
            "size": "large" if concept.texture else ("large", "medium")[number % 2],
            "position": "centre",
            "count": 1,
        }
        if concept.hue is not None:
            fixed["hue"] = (concept.hue + rng.uniform(-2, 2)) % 360
        elif concept.look is not None or concept.texture is not None:
            fixed["hue"] = float(rng.uniform(0, 360))
        scene = drawing.draw_scene_parameters(rng, **fixed)
        pixels = drawing.render(scene)
        path = folder / f"{number + 1:03d}.png"
        Image.fromarray(pixels).save(path, optimize=True)
        path.with_suffix(".txt").write_text(_caption(scene, concept) + "\n", encoding="utf-8")
        drawn.append(pixels)
    return drawn


def _contrasts(background: str, hue: float) -> bool:
    """Leave out backgrounds close to the object's colour."""
    if background not in _HUE_OF_BACKGROUND:
        return True
    return abs((_HUE_OF_BACKGROUND[background] - hue + 180) % 360 - 180) > 45


def _caption(scene: drawing.Scene, concept: Concept) -> str:
    """What is to be seen besides the concept itself."""
    noun = "thing" if concept.shape and not words.SHAPES[concept.shape] else scene.shape
    if any(name.startswith("_") for name in words.SHAPES[scene.shape]):
        noun = "thing"
    return noun if concept.look else f"{noun} on a {scene.background} background"


def draw_all(folder: Path) -> None:
    """Draw every bundled set anew; the same pictures each time."""
    for name, concept in SETS.items():
        draw_concept(folder / name, concept, seed=1)
