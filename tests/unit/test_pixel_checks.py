"""What only the pixels tell of a dataset: blurred, enlarged, compressed, copies, low in variety."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.dataset_folders import SETTINGS, SIDE, TINTS, codes, fill, folder, found, message, of_the_set, scene
from tinv_tui.datasets.checks import CheckSettings
from tinv_tui.datasets.findings import KINDS
from tinv_tui.datasets.looks import look_at, look_at_all
from tinv_tui.datasets.variety import measure_variety

__all__ = ["folder"]

PHOTOS = Path(os.environ.get("TINV_TEST_DATA", "/nowhere")) / "photos"
SETS = ("berry_bowl", "dog", "red_cartoon", "robot_toy", "vase")
needs_photos = pytest.mark.skipif(not PHOTOS.is_dir(), reason="TINV_TEST_DATA names no folder with photos")


# ----- sharpness


def test_a_blurred_picture_is_told(folder: Path) -> None:
    fill(folder)
    scene(9).filter(ImageFilter.GaussianBlur(3)).save(folder / "soft.png")
    assert codes(folder, "soft.png") == ["blurred"]


@pytest.mark.parametrize("factor", [2, 2.5, 4])
@pytest.mark.parametrize("how", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC])
def test_an_enlarged_picture_is_told_from_a_blurred_one(folder: Path, factor: float, how: Image.Resampling) -> None:
    fill(folder)
    small = round(SIDE / factor)
    scene(9, (small, small)).resize((SIDE, SIDE), how).save(folder / "big.png")
    assert codes(folder, "big.png") == ["upscaled"]


def test_a_picture_enlarged_pixel_by_pixel_is_told(folder: Path) -> None:
    fill(folder)
    scene(9, (64, 64)).resize((SIDE, SIDE), Image.Resampling.NEAREST).save(folder / "big.png")
    assert codes(folder, "big.png") == ["upscaled"]


def test_softness_that_the_training_size_does_not_show_is_not_told(folder: Path) -> None:
    fill(folder)
    scene(9, (4 * SIDE, 4 * SIDE)).filter(ImageFilter.GaussianBlur(1.5)).save(folder / "huge.png")
    assert codes(folder, "huge.png") == ["size-differs"]


def test_a_sharp_subject_before_a_blurred_background_is_not_blurred(folder: Path) -> None:
    fill(folder)
    picture = scene(9).filter(ImageFilter.GaussianBlur(6))
    picture.paste(scene(10).crop((0, 0, 160, 160)), (48, 48))
    picture.save(folder / "portrait.png")
    assert codes(folder, "portrait.png") == []


def test_a_picture_of_one_colour_is_not_called_blurred(folder: Path) -> None:
    fill(folder)
    Image.new("RGB", (SIDE, SIDE), "orange").save(folder / "flat.png")
    assert codes(folder, "flat.png") == []


@pytest.mark.parametrize(("quality", "told"), [(10, True), (30, True), (75, False), (95, False)])
def test_heavy_compression_is_read_off_the_jpegs_tables(folder: Path, quality: int, told: bool) -> None:
    fill(folder)
    scene(9).save(folder / "a.jpg", quality=quality)
    assert look_at(folder / "a.jpg", SIDE).traits.quality == pytest.approx(quality, abs=1)
    assert ("compressed" in codes(folder, "a.jpg")) is told


# ----- alike


def test_near_duplicates_name_each_other(folder: Path) -> None:
    fill(folder)
    scene(1, tint=TINTS[1]).resize((300, 300)).point(lambda v: min(255, v + 12)).save(folder / "zcopy.jpg", quality=80)
    assert "near-duplicate" in codes(folder, "zcopy.jpg")
    assert message(folder, "near-duplicate") == "nearly the same picture as good1.png"


def test_flat_pictures_of_other_colours_are_no_duplicates(folder: Path) -> None:
    for colour in ("red", "green", "blue", "white", "black"):
        Image.new("RGB", (SIDE, SIDE), colour).save(folder / f"{colour}.png")
    assert found(folder) == []


def crops(picture: Image.Image, folder: Path, seed: int) -> Path:
    """Five random crops of one picture, as people make them to have enough."""
    chance = np.random.default_rng(seed)
    folder.mkdir()
    for number in range(5):
        side = int(min(picture.size) * chance.uniform(0.6, 0.9))
        left, top = (int(chance.integers(0, edge - side + 1)) for edge in picture.size)
        picture.crop((left, top, left + side, top + side)).resize((512, 512)).save(folder / f"{number}.png")
    return folder


def test_five_crops_of_one_picture_are_low_in_variety_and_the_message_says_what_to_vary(tmp_path: Path) -> None:
    folder = crops(scene(4, (700, 700), (1, 0.7, 0.5)), tmp_path / "crops", 1)
    assert "low-variety" in of_the_set(folder)
    said = message(folder, "low-variety") + KINDS["low-variety"].hint
    assert all(word in said for word in ("lighting", "angle", "composition", "expression"))


@needs_photos
@pytest.mark.parametrize("name", SETS)
def test_a_real_set_has_nothing_wrong_with_its_pixels(name: str) -> None:
    settings = CheckSettings(512, 512, template=SETTINGS.template)
    allowed = {"size-differs", "too-few"}
    assert {f.code for f in found(PHOTOS / name, settings)} <= allowed


@needs_photos
@pytest.mark.parametrize("name", SETS)
def test_five_crops_of_a_real_photo_are_low_in_variety(name: str, tmp_path: Path) -> None:
    with Image.open(PHOTOS / name / "01.jpg") as photo:
        folder = crops(photo.convert("RGB"), tmp_path / "crops", 2)
    looks = [look for look in look_at_all(sorted(folder.iterdir()), 512) if not isinstance(look, OSError)]
    assert measure_variety(looks).is_low


@needs_photos
def test_real_sets_keep_their_distance_from_the_threshold() -> None:
    likeness = [
        measure_variety([look_at(path, 512) for path in sorted((PHOTOS / name).glob("*.jpg"))]).likeness
        for name in SETS
    ]
    assert max(likeness) < 0.88
