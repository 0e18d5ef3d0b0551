"""Pictures as people have them: turned, transparent, 16 bits deep, in CMYK, moving, cut short, or no pictures at all."""

from __future__ import annotations

import io
import os
import random
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import EpsImagePlugin, Image, features

from tinv_tui.datasets.captions import NameCaptions
from tinv_tui.datasets.decoding import load_for_training, open_upright
from tinv_tui.datasets.infotext import read_infotext
from tinv_tui.datasets.looks import look_at
from tinv_tui.datasets.pictures import list_pictures, usable_pictures
from tinv_tui.errors import InputError

ORIENTATION = 0x0112
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    return made


def halves(size: tuple[int, int], top: tuple[int, int, int], bottom: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGB", size, top)
    image.paste(bottom, (0, size[1] // 2, *size))
    return image


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8))


def turned_jpeg(path: Path, orientation: int) -> Path:
    """40 x 20 pixels as stored, red above blue; the camera says how to turn it."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    halves((40, 20), RED, BLUE).save(path, exif=exif, quality=95)
    return path


def one_problem(folder: Path) -> str:
    (entry,) = list_pictures(folder)
    assert (entry.width, entry.height) == (0, 0)
    return entry.problem or ""


def test_pictures_come_in_the_order_of_their_names_with_sizes_and_captions(folder: Path) -> None:
    for number, name in enumerate(["b b.png", "a.JPG", "çà 猫.webp"]):
        Image.new("RGB", (10 + number, 20)).save(folder / name)
    (folder / "b b.txt").write_text("a cat")
    listed = list_pictures(folder)
    assert [(e.path.name, e.width, e.height, e.caption, e.problem) for e in listed] == [
        ("a.JPG", 11, 20, None, None),
        ("b b.png", 10, 20, "a cat", None),
        ("çà 猫.webp", 12, 20, None, None),
    ]


def test_a_caption_file_goes_before_the_name(folder: Path) -> None:
    for name in ("a red fox", "a blue fox"):
        Image.new("RGB", (8, 8)).save(folder / f"{name}.png")
    (folder / "a blue fox.txt").write_text("an owl")
    assert [entry.caption for entry in list_pictures(folder, NameCaptions())] == ["an owl", "a red fox"]


def test_what_is_no_picture_by_name_is_passed_over(folder: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    for name in ("notes.txt", "Thumbs.db", ".hidden.png", "a.png.part"):
        (folder / name).write_text("x")
    (folder / "sub.png").mkdir()
    assert [e.path.name for e in list_pictures(folder)] == ["a.png"]


def test_a_folder_that_is_missing_or_a_file_is_an_error(folder: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        list_pictures(folder / "gone")
    (folder / "file").touch()
    with pytest.raises(InputError, match="not a folder"):
        list_pictures(folder / "file")


def test_a_folder_without_pictures_is_an_error(folder: Path) -> None:
    with pytest.raises(InputError, match="no pictures"):
        usable_pictures(folder, list_pictures(folder))


def test_a_folder_in_which_no_picture_can_be_read_is_an_error_with_the_reason(folder: Path) -> None:
    (folder / "a.png").touch()
    with pytest.raises(InputError, match=r"no pictures that can be used; a\.png: empty file"):
        usable_pictures(folder, list_pictures(folder))


def test_only_the_readable_pictures_are_usable(folder: Path) -> None:
    (folder / "a.png").touch()
    Image.new("RGB", (8, 8)).save(folder / "b.png")
    assert [e.path.name for e in usable_pictures(folder, list_pictures(folder))] == ["b.png"]


def test_an_empty_file_has_that_problem(folder: Path) -> None:
    (folder / "a.jpg").touch()
    assert one_problem(folder) == "empty file"


def test_a_text_called_png_has_a_problem(folder: Path) -> None:
    (folder / "a.png").write_text("<html>404 not found</html>")
    assert "cannot be read" in one_problem(folder)


def test_a_picture_that_would_fill_the_memory_is_refused_unread(folder: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (100_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    path = folder / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b""))
    assert "too large" in one_problem(folder)
    with pytest.raises(OSError, match=r"bomb\.png"):
        open_upright(path)


def test_a_link_to_nothing_is_passed_over(folder: Path) -> None:
    (folder / "a.png").symlink_to(folder / "gone.png")
    assert list_pictures(folder) == []


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_has_the_size_it_is_seen_at(folder: Path, orientation: int) -> None:
    path = turned_jpeg(folder / "a.jpg", orientation)
    (entry,) = list_pictures(folder)
    assert (entry.width, entry.height) == ((20, 40) if orientation >= 5 else (40, 20))
    assert open_upright(path).size == (entry.width, entry.height)


def test_an_orientation_that_does_not_exist_turns_nothing(folder: Path) -> None:
    path = turned_jpeg(folder / "a.jpg", 9)
    (entry,) = list_pictures(folder)
    assert (entry.width, entry.height) == open_upright(path).size == (40, 20)


def test_a_turned_photo_is_opened_upright(folder: Path) -> None:
    image = open_upright(turned_jpeg(folder / "a.jpg", 6))  # the camera was held a quarter turn to the left
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


@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "gif", "tiff"])
def test_an_upload_that_broke_off_is_a_problem_before_any_pixel_is_wanted(folder: Path, kind: str) -> None:
    noise(64, 64).save(folder / "whole", kind)
    data = (folder / "whole").read_bytes()
    for lacks in (30, len(data) // 2):
        (folder / f"a.{kind}").write_bytes(data[:-lacks])
        (entry,) = list_pictures(folder)
        assert entry.problem == "cut short, as by an upload that broke off"


def test_a_gif_whose_pixels_are_nonsense_is_a_problem_before_any_pixel_is_wanted(folder: Path) -> None:
    noise(64, 64).save(folder / "whole.gif")
    data = bytearray((folder / "whole.gif").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = b"\xff" * 200
    (folder / "a.gif").write_bytes(data)
    problems = {entry.path.name: entry.problem for entry in list_pictures(folder)}
    assert problems == {"a.gif": "damaged: its pixels cannot be read", "whole.gif": None}


def test_a_compressed_tiff_is_not_read_before_it_is_wanted(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What reads it tells of its damage on the terminal, over whatever is there."""
    noise(64, 64).save(folder / "a.tiff", compression="tiff_deflate")
    data = bytearray((folder / "a.tiff").read_bytes())
    data[2000:2200] = b"\xff" * 200
    (folder / "a.tiff").write_bytes(data)
    list_pictures(folder)
    assert capfd.readouterr().err == ""
    with pytest.raises(OSError, match="decode"):
        open_upright(folder / "a.tiff").load()
    assert "Decoding error" in capfd.readouterr().err


@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "gif", "tiff"])
def test_what_stands_behind_a_whole_picture_is_no_fault(folder: Path, kind: str) -> None:
    noise(64, 64).save(folder / "whole", kind)
    (folder / f"a.{kind}").write_bytes((folder / "whole").read_bytes() + b"a film, as some phones put there" * 50)
    (entry,) = list_pictures(folder)
    assert entry.problem is None


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "tiff", "webp", "bmp"])
def test_a_damaged_file_is_a_problem_or_an_oserror_and_never_anything_else(
    folder: Path, kind: str, recwarn: pytest.WarningsRecorder
) -> None:
    buffer, chance = io.BytesIO(), random.Random(kind)
    noise(24, 16).save(buffer, kind)
    data, path, outcomes = buffer.getvalue(), folder / f"a.{kind}", set[str]()
    for round_ in range(80):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(len(data) if round_ % 2 else min(len(data), 100))] = chance.randrange(256)
        path.write_bytes(damaged[: chance.randrange(len(data)) if round_ % 4 == 0 else None])
        outcomes.add("problem" if list_pictures(folder)[0].problem else "listed")
        try:
            load_for_training(path, (16, 16), crop=True)
        except OSError:
            outcomes.add("error")
    assert {"problem", "error"} <= outcomes
    assert list(recwarn) == []


def test_listing_a_picture_of_a_large_but_allowed_size_warns_nobody(folder: Path) -> None:
    Image.new("1", (10_000, 10_000)).save(folder / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (entry,) = list_pictures(folder)
    assert (entry.width, entry.problem) == (10_000, None)


def test_a_name_that_is_no_text_is_listed_like_any_other(folder: Path) -> None:
    name = os.fsencode(folder) + b"/cat\xff.png"
    with open(name, "wb") as file:
        Image.new("RGB", (8, 8)).save(file, "PNG")
    (entry,) = usable_pictures(folder, list_pictures(folder))
    assert os.fsencode(entry.path) == name


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


def test_postscript_called_png_starts_no_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = list[object]()
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *told: started.append(told))
    path = folder / "paper.png"
    halves((16, 16), (250, 0, 0), (0, 0, 250)).save(path, "EPS")
    assert one_problem(folder) == "cannot be read (UnidentifiedImageError)"
    for read in (open_upright, lambda path: look_at(path, 512)):
        with pytest.raises(OSError, match="cannot identify|is no image"):
            read(path)
    with pytest.raises(InputError, match="cannot identify"):
        read_infotext(path)
    assert not started


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF"])
def test_every_format_pillow_itself_knows_of_the_table_is_read_by_its_content(folder: Path, kind: str) -> None:
    if kind in ("WEBP", "AVIF") and not features.check(kind.lower()):
        pytest.skip(f"this Pillow was built without {kind}")
    halves((16, 16), (250, 0, 0), (0, 0, 250)).save(folder / "a.png", kind)
    assert [(entry.width, entry.problem, entry.format) for entry in list_pictures(folder)] == [(16, None, kind)]
    assert open_upright(folder / "a.png").size == (16, 16)


def test_a_picture_that_is_written_anew_is_listed_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for size in ((8, 6), (6, 8), (10, 10)):
        Image.new("RGB", size).save(path)
        os.utime(path, (size[0], size[1]))  # clocks of files may be coarse
        (entry,) = list_pictures(tmp_path)
        assert (entry.width, entry.height, entry.problem) == (*size, None)
    path.write_bytes(b"")
    assert list_pictures(tmp_path)[0].problem == "empty file"
