"""A folder of pictures as people have them: turned, transparent, cut short, damaged, or no pictures at all."""

from __future__ import annotations

import io
import os
import random
import warnings
import zlib
from pathlib import Path

import pytest
from PIL import EpsImagePlugin, Image, features

from tests.dataset_folders import folder
from tests.odd_pictures import halves, noise, turned
from tinv_tui.datasets.captions import NameCaptions
from tinv_tui.datasets.decoding import load_for_training, open_upright
from tinv_tui.datasets.infotext import read_infotext
from tinv_tui.datasets.looks import look_at
from tinv_tui.datasets.pictures import list_pictures, usable_pictures
from tinv_tui.errors import InputError

__all__ = ["folder"]


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


@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_has_the_size_it_is_seen_at(folder: Path, orientation: int, kind: str) -> None:
    path = turned(folder / f"a.{kind}", orientation)
    (entry,) = list_pictures(folder)
    assert (entry.width, entry.height) == ((20, 40) if orientation >= 5 else (40, 20))
    assert open_upright(path).size == (entry.width, entry.height)


def test_an_orientation_that_does_not_exist_turns_nothing(folder: Path) -> None:
    path = turned(folder / "a.jpg", 9)
    (entry,) = list_pictures(folder)
    assert (entry.width, entry.height) == open_upright(path).size == (40, 20)


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
