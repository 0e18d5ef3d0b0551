"""Pictures as the trainer sees them: upright, with their colours and opacity, at their size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.dataset_folders import folder
from tests.odd_pictures import BLUE, GREEN, RED, halves, noise, turned
from tinv_tui.datasets.decoding import load_for_training, open_upright
from tinv_tui.datasets.pictures import list_pictures, usable_pictures

__all__ = ["folder"]


def test_a_turned_photo_is_opened_upright(folder: Path) -> None:
    image = open_upright(turned(folder / "a.jpg", 6))  # the camera was held a quarter turn to the left
    assert image.getpixel((17, 20))[0] > 200
    assert image.getpixel((2, 20))[2] > 200


def test_a_palette_png_with_a_transparent_colour_keeps_its_transparency(folder: Path) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, *GREEN])
    image.putpixel((0, 0), 0)
    image.save(folder / "a.png", transparency=0)
    opened = open_upright(folder / "a.png")
    assert (opened.mode, opened.getpixel((0, 0))[3], opened.getpixel((5, 5))) == ("RGBA", 0, (*GREEN, 255))


def test_a_palette_png_without_transparency_has_three_channels(folder: Path) -> None:
    halves((8, 8), RED, BLUE).quantize(4).save(folder / "a.png")
    opened = open_upright(folder / "a.png")
    assert (opened.mode, opened.getpixel((0, 0)), opened.getpixel((0, 7))) == ("RGB", RED, BLUE)


def test_a_grey_picture_with_opacity_keeps_it(folder: Path) -> None:
    Image.new("LA", (8, 8), (100, 40)).save(folder / "a.png")
    assert open_upright(folder / "a.png").getpixel((3, 3)) == (100, 100, 100, 40)


def test_a_16_bit_png_is_scaled_not_clipped(folder: Path) -> None:
    ramp = np.linspace(0, 65535, 64, dtype=np.uint16)[None].repeat(8, axis=0)
    Image.fromarray(ramp).save(folder / "a.png")
    row = np.asarray(open_upright(folder / "a.png"))[0, :, 0].astype(int)
    assert np.abs(row - np.linspace(0, 255, 64)).max() <= 1


def test_a_cmyk_jpeg_has_the_colours_it_was_printed_in(folder: Path) -> None:
    Image.new("RGB", (16, 16), (220, 30, 40)).convert("CMYK").save(folder / "a.jpg", quality=95)
    opened = open_upright(folder / "a.jpg")
    assert opened.mode == "RGB"
    assert np.abs(np.array(opened.getpixel((8, 8))) - (220, 30, 40)).max() < 25


def test_of_an_animated_gif_the_first_frame_is_taken(folder: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:], duration=100)
    (entry,) = usable_pictures(folder, list_pictures(folder))
    assert open_upright(entry.path).convert("RGB").getpixel((4, 4)) == RED


def test_a_jpeg_cut_short_does_not_load(folder: Path) -> None:
    noise(64, 64).save(folder / "whole.jpg")
    path = folder / "a.jpg"
    path.write_bytes((folder / "whole.jpg").read_bytes()[:1500])
    with pytest.raises(OSError, match="truncated"):
        load_for_training(path, (32, 32), crop=True)


def loaded(image: Image.Image, folder: Path, size: tuple[int, int], *, crop: bool) -> tuple[NDArray, NDArray]:
    image.save(folder / "a.png")
    picture = load_for_training(folder / "a.png", size, crop=crop)
    return picture.pixels, picture.opacity


def test_pixels_are_channels_first_in_minus_one_to_one(folder: Path) -> None:
    pixels, opacity = loaded(halves((32, 16), RED, BLUE), folder, (32, 16), crop=True)
    assert (pixels.shape, pixels.dtype, opacity.shape) == ((3, 16, 32), np.float32, (16, 32))
    assert pixels[:, 0, 0].tolist() == [1, -1, -1]
    assert pixels[:, 15, 31].tolist() == [-1, -1, 1]
    assert opacity.min() == 1


def test_a_cropped_picture_keeps_its_shape_and_loses_its_ends(folder: Path) -> None:
    image = Image.new("RGB", (64, 16), GREEN)
    image.paste(RED, (24, 0, 40, 16))  # a square in the middle
    pixels, _ = loaded(image, folder, (32, 32), crop=True)
    assert pixels[0].min() > 0


def test_a_resized_picture_is_squeezed_whole(folder: Path) -> None:
    image = Image.new("RGB", (64, 16), GREEN)
    image.paste(RED, (24, 0, 40, 16))
    pixels, _ = loaded(image, folder, (32, 32), crop=False)
    assert (pixels[0] > 0).mean() == pytest.approx(0.25)


def test_what_is_transparent_is_white_and_has_no_opacity(folder: Path) -> None:
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (8, 0, 16, 16))
    pixels, opacity = loaded(image, folder, (16, 16), crop=False)
    assert (pixels[:, :, :8].min(), pixels[:, :, 8:].max()) == (1, -1)
    assert (opacity[:, :8].max(), opacity[:, 8:].min()) == (0, 1)


@pytest.mark.parametrize(
    ("own", "target", "crop", "corner"),
    [
        ((64, 64), (32, 32), True, (0, 0)),
        ((200, 100), (64, 64), True, (32, 0)),  # 128 x 64 when scaled
        ((100, 200), (64, 64), True, (0, 32)),
        ((131, 200), (48, 80), True, (2, 0)),  # 52.4 x 80
        ((200, 100), (64, 64), False, (0, 0)),
    ],
)
def test_a_picture_tells_its_own_size_and_what_is_cut_away_of_it_when_scaled(
    folder: Path, own: tuple[int, int], target: tuple[int, int], crop: bool, corner: tuple[int, int]
) -> None:
    Image.new("RGB", own).save(folder / "a.png")
    picture = load_for_training(folder / "a.png", target, crop=crop)
    assert (picture.own_size, picture.corner) == (own, corner)
    assert picture.pixels.shape == (3, *target[::-1])


def test_a_picture_that_the_camera_turned_tells_its_upright_size(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (64, 32)).save(folder / "a.jpg", exif=exif)
    assert load_for_training(folder / "a.jpg", (32, 32), crop=True).own_size == (32, 64)
