"""Draws the training pictures: one or two objects on a plain background, and a look over the whole picture."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinv_tui.models.bundled.build import words

SIDE = 64
Picture = NDArray[Any]
"""Floating point, [64, 64] or [64, 64, 3]."""

_ROWS, _COLUMNS = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) + 0.5


# The thermal look: brightness as heat, from deep blue over magenta and orange to pale yellow (red, green, blue).
_HEAT_AT = (0.0, 0.3, 0.55, 0.8, 1.0)
_HEAT = ((0.05, 0.5, 0.9, 1.0, 1.0), (0.02, 0.05, 0.25, 0.65, 0.97), (0.3, 0.65, 0.4, 0.1, 0.75))


@dataclass(frozen=True)
class Scene:
    """What one picture shows. Colours are sRGB in 0–1; lengths are pixels; angles are radians."""

    shape: str
    texture: str
    look: str
    hue: float | None
    """Degrees on the HSV circle; None for the colours of ``words.GREYS``."""
    grey: str | None
    colour: tuple[float, float, float]
    background: str
    size: str
    position: str
    count: int
    radius: float
    centre: tuple[float, float]
    angle: float
    phase: float
    gradient: float


def _colour_from_hue(hue: float, rng: np.random.Generator) -> tuple[float, float, float]:
    return colorsys.hsv_to_rgb(hue / 360, rng.uniform(0.78, 1.0), rng.uniform(0.78, 0.98))


def _is_readable(colour: tuple[float, float, float], background: str) -> bool:
    """Whether an object of this colour stands out from the background (Euclidean sRGB distance)."""
    behind = np.array(words.BACKGROUNDS[background][0]) / 255
    return float(np.linalg.norm(behind - np.array(colour))) > 0.42


def draw_scene_parameters(rng: np.random.Generator, **fixed: object) -> Scene:
    """Draw a random scene. Fields given in ``fixed`` (``shape``, ``hue``, ``background`` …) are taken as they are."""
    shape = str(fixed.get("shape") or rng.choice(list(words.SHAPES)))
    texture = str(fixed.get("texture") or rng.choice(list(words.TEXTURES), p=[0.32, 0.16, 0.17, 0.17, 0.11, 0.07]))
    look = str(fixed.get("look") or rng.choice(list(words.LOOKS), p=[0.69] + [0.045] * 6 + [0.04]))
    hue: float | None = None
    grey: str | None = None
    if "hue" in fixed:
        hue = float(fixed["hue"])  # type: ignore[arg-type]
    elif fixed.get("grey"):
        grey = str(fixed["grey"])
    else:
        kind = rng.random()
        if kind < 0.14:
            grey = str(rng.choice(list(words.GREYS)))
        elif kind < 0.5:
            hue = float(words.HUES[str(rng.choice(list(words.HUES)))][0] + rng.uniform(-5, 5)) % 360
        else:
            hue = float(rng.uniform(0, 360))
    if grey is not None:
        rgb = np.array(words.GREYS[grey][0]) / 255 + rng.uniform(-0.03, 0.03, 3)
        colour = tuple(float(c) for c in np.clip(rgb, 0, 1))
    else:
        assert hue is not None
        colour = _colour_from_hue(hue, rng)
    background = str(fixed.get("background") or "")
    while not background:
        candidate = str(rng.choice(list(words.BACKGROUNDS)))
        if _is_readable(colour, candidate):  # type: ignore[arg-type]
            background = candidate
    count = int(fixed.get("count") or (2 if rng.random() < 0.08 else 1))  # type: ignore[call-overload]
    # A small object has no room for a texture that the latents can hold.
    odds = [0.2, 0.45, 0.35] if texture == "plain" else [0, 0.45, 0.55]
    size = str(fixed.get("size") or rng.choice(["small", "medium", "large"], p=odds))
    radius = float({"small": rng.uniform(12, 15), "medium": rng.uniform(18, 22), "large": rng.uniform(24, 28)}[size])
    position = str(fixed.get("position") or rng.choice(list(words.POSITIONS), p=[0.07, 0.07, 0.07, 0.07, 0.72]))
    if count == 2:
        radius, position = min(radius, 14.5), "centre"
    reach = max(SIDE / 2 - radius, 3.0)
    shift_x, shift_y = rng.uniform(-3, 3, 2)
    shift_x += {"left": -reach, "right": reach}.get(position, 0.0)
    shift_y += {"top": -reach, "bottom": reach}.get(position, 0.0)
    return Scene(
        shape=shape,
        texture=texture,
        look=look,
        hue=hue,
        grey=grey,
        colour=colour,  # type: ignore[arg-type]
        background=background,
        size=size,
        position=position,
        count=count,
        radius=radius,
        centre=(SIDE / 2 + float(shift_x), SIDE / 2 + float(shift_y)),
        angle=float(rng.uniform(-0.2, 0.2)),
        phase=float(rng.uniform(-0.08, 0.08)),
        gradient=float(rng.uniform(-0.05, 0.05)),
    )


def _half_planes(x: Picture, y: Picture, corners: list[tuple[float, float]]) -> Picture:
    """Signed distance (an upper bound) to a convex polygon given clockwise on screen; negative inside."""
    distance = np.full_like(x, -1e9)
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        length = float(np.hypot(bx - ax, by - ay))
        distance = np.maximum(distance, ((x - ax) * (by - ay) - (y - ay) * (bx - ax)) / length)
    return distance


def _signed_distance(shape: str, x: Picture, y: Picture, r: float) -> Any:
    """Signed distance in pixels from each point to the outline of a shape of radius ``r`` about the origin."""
    away = np.hypot(x, y)
    if shape == "circle":
        return away - 0.95 * r
    if shape == "square":
        return np.maximum(np.abs(x), np.abs(y)) - 0.82 * r
    if shape == "triangle":
        return _half_planes(x, y, [(0, -r), (0.98 * r, 0.8 * r), (-0.98 * r, 0.8 * r)])
    if shape == "diamond":
        return _half_planes(x, y, [(0, -1.08 * r), (0.72 * r, 0), (0, 1.08 * r), (-0.72 * r, 0)])
    if shape == "star":
        sector = 2 * np.pi / 5
        theta = np.abs((np.arctan2(x, -y) + sector / 2) % sector - sector / 2)
        px, py = away * np.cos(theta), away * np.sin(theta)
        ax, ay = 1.12 * r, 0.0
        bx, by = 0.46 * r * np.cos(np.pi / 5), 0.46 * r * np.sin(np.pi / 5)
        length = float(np.hypot(bx - ax, by - ay))
        return ((px - ax) * (by - ay) - (py - ay) * (bx - ax)) / length
    if shape == "ring":
        return np.abs(away - 0.7 * r) - 0.27 * r
    if shape == "cross":
        upright = np.maximum(np.abs(x) - 0.3 * r, np.abs(y) - r)
        level = np.maximum(np.abs(y) - 0.3 * r, np.abs(x) - r)
        return np.minimum(upright, level)
    if shape == "heart":
        lobes = np.hypot(np.abs(x) - 0.44 * r, y + 0.34 * r) - 0.53 * r
        tip = _half_planes(x, y, [(0, -0.62 * r), (0.9 * r, -0.06 * r), (0, 0.98 * r), (-0.9 * r, -0.06 * r)])
        return np.minimum(lobes, tip)
    if shape == "flower":
        return away - r * (0.74 + 0.27 * np.cos(5 * np.arctan2(x, -y)))
    if shape == "crescent":
        return np.maximum(away - r, 0.8 * r - np.hypot(x - 0.52 * r, y))
    if shape == "bolt":
        upper = _half_planes(x, y, [(0.45 * r, -r), (0.12 * r, 0.12 * r), (-0.62 * r, 0.2 * r), (-0.1 * r, -r)])
        lower = _half_planes(x, y, [(0.62 * r, -0.2 * r), (-0.42 * r, 1.05 * r), (-0.12 * r, -0.12 * r)])
        return np.minimum(upper, lower)
    if shape == "hourglass":
        upper = _half_planes(x, y, [(-0.85 * r, -r), (0.85 * r, -r), (0.12 * r, 0.1 * r), (-0.12 * r, 0.1 * r)])
        lower = _half_planes(x, y, [(-0.12 * r, -0.1 * r), (0.12 * r, -0.1 * r), (0.85 * r, r), (-0.85 * r, r)])
        return np.minimum(upper, lower)
    raise ValueError(f"unknown shape {shape!r}")


def _texture_mask(texture: str, x: Picture, y: Picture, phase: float) -> Picture:
    """How much of the second tone (0–1) each point of the object takes.

    Periods are four and a half latent cells or more, so that the UNet's 8 x 8 level, where it reads the prompt, can still
    hold them. Textures start near the middle of the object; ``phase`` shifts them by a share of a period.
    """
    if texture == "plain":
        return np.zeros_like(x)
    if texture == "striped":
        wave = np.sin(2 * np.pi * (y / 18 + phase))
    elif texture == "checkered":
        wave = np.sin(2 * np.pi * (x / 26 + phase)) * np.sin(2 * np.pi * (y / 26 + phase)) * 2
    elif texture == "dotted":
        wave = np.cos(2 * np.pi * (x / 18 + phase)) + np.cos(2 * np.pi * (y / 18 + phase)) - 0.5
    elif texture == "banded":
        wave = np.sin(2 * np.pi * (np.hypot(x, y) / 19 + 0.25 + phase))
    elif texture == "halved":
        wave = (x + 26 * phase) / 2
    else:
        raise ValueError(f"unknown texture {texture!r}")
    return np.clip(wave * 2.2 + 0.5, 0, 1)


def _second_tone(scene: Scene) -> Picture:
    """The texture's other tone: the object's own hue, much darker, or lighter when the object is already dark."""
    colour = np.array(scene.colour, dtype=np.float32)
    return colour * 0.38 if colour.max() > 0.4 else colour * 0.4 + 0.6


def object_mask(scene: Scene) -> Picture:
    """Coverage (0–1) of each pixel by the object(s) of the scene, [64, 64]."""
    cx, cy = scene.centre
    centres = [(cx, cy)] if scene.count == 1 else [(17.0, cy), (47.0, cy)]
    cos, sin = np.cos(scene.angle), np.sin(scene.angle)
    mask = np.zeros((SIDE, SIDE), dtype=np.float32)
    for x0, y0 in centres:
        dx, dy = _COLUMNS - x0, _ROWS - y0
        x, y = dx * cos + dy * sin, dy * cos - dx * sin
        mask = np.maximum(mask, np.clip(0.5 - _signed_distance(scene.shape, x, y, scene.radius), 0, 1))
    return mask


def _blur(picture: Picture, radius: int) -> Picture:
    """Two box blurs in each direction, edges repeated; [64, 64, 3] or [64, 64]."""
    width = 2 * radius + 1
    for _ in range(2):
        for axis in (0, 1):
            pad = [(0, 0)] * picture.ndim
            pad[axis] = (radius + 1, radius)
            sums = np.cumsum(np.pad(picture, pad, mode="edge"), axis=axis, dtype=np.float32)
            high = np.take(sums, np.arange(width, width + SIDE), axis=axis)
            low = np.take(sums, np.arange(0, SIDE), axis=axis)
            picture = (high - low) / width
    return picture


def _edges(mask: Picture, tone: Picture) -> Picture:
    """Lines (0–1) along the outline of the object and inside it along its texture."""
    drawn = mask * (1 - 0.6 * tone)
    dy = np.abs(np.diff(drawn, axis=0, prepend=drawn[:1]))
    dx = np.abs(np.diff(drawn, axis=1, prepend=drawn[:, :1]))
    return np.clip(_blur(dx + dy, 1) * 5.0, 0, 1)


def render(scene: Scene) -> NDArray[np.uint8]:
    """Draw a scene: uint8 sRGB, [64, 64, 3]."""
    behind = np.array(words.BACKGROUNDS[scene.background][0], dtype=np.float32) / 255
    shade = 1 + scene.gradient * (_ROWS / SIDE * 2 - 1)
    picture = behind * shade[..., None]
    cx, cy = scene.centre
    cos, sin = np.cos(scene.angle), np.sin(scene.angle)
    tone = _texture_mask(
        scene.texture,
        (_COLUMNS - cx) * cos + (_ROWS - cy) * sin,
        (_ROWS - cy) * cos - (_COLUMNS - cx) * sin,
        scene.phase,
    )
    mask = object_mask(scene)
    colour = np.array(scene.colour, dtype=np.float32)
    surface = colour * (1 - tone[..., None]) + _second_tone(scene) * tone[..., None]
    picture = picture * (1 - mask[..., None]) + surface * mask[..., None]
    if scene.look == "outline":
        line = _edges(mask, tone)[..., None]
        picture = np.array([0.97, 0.96, 0.93], dtype=np.float32) * (1 - line) + colour * 0.75 * line
    elif scene.look == "neon":
        line = _edges(mask, tone)[..., None]
        glow = _blur(line, 4) * 0.6
        picture = np.array([0.03, 0.02, 0.08], dtype=np.float32) + np.clip(line + glow, 0, 1) * colour
    elif scene.look == "blurred":
        picture = _blur(picture, 4)
    elif scene.look == "pixelated":
        blocks = picture.reshape(8, 8, 8, 8, 3).mean(axis=(1, 3))
        picture = blocks.repeat(8, axis=0).repeat(8, axis=1)
    elif scene.look == "night":
        picture = picture * np.array([0.22, 0.28, 0.5], dtype=np.float32) + np.array(
            [0.01, 0.02, 0.06], dtype=np.float32
        )
    elif scene.look == "thermal":
        grey = (picture @ np.array([0.3, 0.59, 0.11], dtype=np.float32)).clip(0, 1)
        picture = np.stack([np.interp(grey, _HEAT_AT, channel) for channel in _HEAT], axis=-1)
    elif scene.look == "sepia":
        grey = (picture @ np.array([0.3, 0.59, 0.11], dtype=np.float32))[..., None]
        picture = grey * np.array([0.98, 0.8, 0.55], dtype=np.float32) + np.array([0.06, 0.04, 0.01], dtype=np.float32)
    pixels: NDArray[np.uint8] = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    return pixels
