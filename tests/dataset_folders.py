"""Pictures to be checked, and what the checks find in a folder of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinv_tui.datasets.checks import CheckSettings, check_dataset, usable
from tinv_tui.datasets.findings import Finding
from tinv_tui.datasets.looking import look_through
from tinv_tui.datasets.pictures import list_pictures

SIDE = 256
SETTINGS = CheckSettings(SIDE, SIDE, template=("a photo of [name]",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    return made


@cache
def _scene(seed: int, size: tuple[int, int], tint: tuple[float, float, float]) -> Image.Image:
    chance = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(size[1])[:, None], np.fft.fftfreq(size[0])[None]
    fall = np.maximum(np.hypot(fy, fx), 1 / max(size)) ** -1.45
    grey = np.fft.ifft2(np.fft.fft2(chance.standard_normal(size[::-1])) * fall).real
    grey = np.clip(128 + 45 * (grey - grey.mean()) / grey.std(), 0, 255)
    return Image.fromarray((grey[..., None] * np.array(tint)).astype(np.uint8))


def scene(seed: int, size: tuple[int, int] = (SIDE, SIDE), tint: tuple[float, float, float] = (1, 1, 1)) -> Image.Image:
    """A picture with the spectrum of a photograph: detail at every scale."""
    return _scene(seed, size, tint).copy()


TINTS = ((1, 0.4, 0.3), (0.3, 0.9, 0.4), (0.4, 0.5, 1), (0.9, 0.9, 0.3), (0.6, 0.6, 0.6), (0.2, 0.3, 0.3))


def fill(folder: Path, count: int = 5) -> None:
    """A set that has nothing wrong with it."""
    for number in range(count):
        scene(number, tint=TINTS[number]).save(folder / f"good{number}.png")


def found(folder: Path, settings: CheckSettings = SETTINGS) -> list[Finding]:
    entries = list_pictures(folder)
    return check_dataset(entries, settings, look_through([entry.path for entry in usable(entries)], settings.side))


def codes(folder: Path, name: str, settings: CheckSettings = SETTINGS) -> list[str]:
    return [f.code for f in found(folder, settings) if f.file is not None and f.file.name == name]


def of_the_set(folder: Path) -> list[str]:
    return [f.code for f in found(folder) if f.file is None]


def message(folder: Path, code: str, settings: CheckSettings = SETTINGS) -> str:
    return next(f.message for f in found(folder, settings) if f.code == code)
