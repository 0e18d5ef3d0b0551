"""What is told of a dataset: each fault by its code, and no fault where there is none."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.dataset_folders import SETTINGS, SIDE, TINTS, codes, fill, folder, found, message, of_the_set, scene
from tinv_tui.datasets.checks import CheckSettings, check_headers
from tinv_tui.datasets.findings import KINDS, by_code, in_one_line
from tinv_tui.datasets.looking import look_through
from tinv_tui.datasets.looks import look_at
from tinv_tui.datasets.pictures import list_pictures
from tinv_tui.models import bundled
from tinv_tui.models.tokenizer import tokenizer_for

__all__ = ["folder"]


def test_a_good_set_has_no_finding(folder: Path) -> None:
    fill(folder)
    assert found(folder) == []


# ----- how many


def test_under_5_pictures_are_too_few_which_is_a_warning(folder: Path) -> None:
    fill(folder, 4)
    (finding,) = found(folder)
    assert (finding.code, finding.severity, finding.file) == ("too-few", "warning", None)
    assert finding.message.startswith("4 pictures")


def test_mirror_images_are_not_counted(folder: Path) -> None:
    fill(folder, 4)
    scene(1, tint=TINTS[1]).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "good1-1.png")
    assert of_the_set(folder) == ["too-few"]
    assert message(folder, "too-few").startswith("4 pictures, 1 mirror image not counted")
    assert message(folder, "mirror-image") == "the mirror image of good1-1.png"


@pytest.mark.parametrize("names", [[], ["a.png"]])
def test_no_usable_picture_is_an_error(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).touch()
    (whole,) = [f for f in found(folder) if f.file is None]
    assert (whole.code, whole.severity) == ("dataset-empty", "error")


def test_a_picture_that_cannot_be_read_is_an_error_and_not_counted(folder: Path) -> None:
    fill(folder)
    data = io.BytesIO()
    scene(1).save(data, "JPEG")
    (folder / "good0.png").unlink()
    (folder / "cut.jpg").write_bytes(data.getvalue()[:3000])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("404")
    assert {f.file.name: f.severity for f in found(folder) if f.code == "unreadable" and f.file} == dict.fromkeys(
        ("cut.jpg", "empty.png", "text.png"), "error"
    )
    assert message(folder, "too-few").startswith("4 pictures")


# ----- shape, size, format


@pytest.mark.parametrize(
    ("sizes", "said"), [("bucket", "trained at"), ("crop", "middle is cut out"), ("resize", "squeezed")]
)
def test_what_becomes_of_a_picture_that_is_not_square_is_said(folder: Path, sizes: Any, said: str) -> None:
    fill(folder)
    scene(9, (2 * SIDE, SIDE)).save(folder / "wide.png")
    settings = CheckSettings(SIDE, SIDE, sizes, template=SETTINGS.template)
    assert codes(folder, "wide.png", settings)[0] == "not-square"
    assert said in message(folder, "not-square", settings)


@pytest.mark.parametrize(("size", "target"), [((300, 301), (256, 256)), ((300, 450), (256, 384))])
def test_a_picture_that_is_about_square_or_of_the_runs_shape_is_not_told(
    folder: Path, size: tuple[int, int], target: tuple[int, int]
) -> None:
    scene(9, size).save(folder / "a.png")
    assert codes(folder, "a.png", CheckSettings(*target, template=SETTINGS.template)) == ["size-differs"]


def test_a_picture_smaller_than_it_is_trained_at_is_too_small(folder: Path) -> None:
    fill(folder)
    scene(9, (SIDE - 8, SIDE - 8)).save(folder / "small.png")
    assert codes(folder, "small.png") == ["too-small"]
    assert message(folder, "too-small") == "248 × 248, too small: it is enlarged to 256 × 256"


def test_a_picture_of_another_size_than_the_runs_is_information(folder: Path) -> None:
    fill(folder)
    scene(9, (SIDE + 64, SIDE + 64)).save(folder / "large.png")
    assert codes(folder, "large.png") == ["size-differs"]
    assert KINDS["size-differs"].severity == "information"


def test_neither_jpeg_nor_png_is_information(folder: Path) -> None:
    fill(folder)
    scene(9).save(folder / "a.webp", lossless=True)
    scene(10).save(folder / "b.jpg", quality=95)
    assert codes(folder, "a.webp") == ["format"]
    assert codes(folder, "b.jpg") == []
    assert KINDS["format"].severity == "information"


def test_a_picture_the_camera_marked_as_turned_is_information(folder: Path) -> None:
    fill(folder)
    exif = Image.Exif()
    exif[0x0112] = 6
    scene(9).save(folder / "turned.jpg", exif=exif, quality=95)
    assert codes(folder, "turned.jpg") == ["turned"]


def test_transparency_is_told_only_where_something_shows_through(folder: Path) -> None:
    fill(folder)
    clear = scene(8).convert("RGBA")
    clear.save(folder / "a.png")
    assert codes(folder, "a.png") == []
    clear.putpixel((3, 3), (0, 0, 0, 40))
    clear.save(folder / "a.png")
    assert codes(folder, "a.png") == ["alpha"]


# ----- captions

CAPTIONED = CheckSettings(SIDE, SIDE, template=("a photo of [name], [filewords]",), name="zork")


def test_a_missing_caption_is_told_where_the_template_wants_one(folder: Path) -> None:
    fill(folder)
    (folder / "good0.txt").write_text("red, on a mat")
    assert codes(folder, "good0.png", CAPTIONED) == []
    assert codes(folder, "good1.png", CAPTIONED) == ["caption-missing"]
    assert codes(folder, "good1.png") == []


def test_a_caption_file_that_is_not_read_is_told_as_missing_with_the_reason(folder: Path) -> None:
    fill(folder)
    (folder / "good0.txt").write_bytes(b"a" * 70_000)
    assert message(folder, "caption-missing", CAPTIONED) == (
        "no caption: good0.txt holds more than 64 KiB, which is no caption; [filewords] is empty for it"
    )


@pytest.mark.parametrize("tokenizer", [None, tokenizer_for(bundled.FOLDER / "tokenizer")])
def test_an_over_long_caption_is_told_and_nothing_of_it_is_cut(folder: Path, tokenizer: Any) -> None:
    fill(folder, 1)
    (folder / "good0.txt").write_text("red, " * 40)
    settings = CheckSettings(SIDE, SIDE, template=CAPTIONED.template, name="zork", vectors=4, tokenizer=tokenizer)
    assert codes(folder, "good0.png", settings) == ["caption-long"]
    assert "2 chunks of 75, nothing is cut" in message(folder, "caption-long", settings)


@pytest.mark.parametrize(("caption", "told"), [("a [name] on a mat", True), ("Zork, red", True), ("zorkish", False)])
def test_a_caption_that_holds_the_placeholder_is_told(folder: Path, caption: str, told: bool) -> None:
    fill(folder, 1)
    (folder / "good0.txt").write_text(caption)
    assert ("caption-placeholder" in codes(folder, "good0.png", CAPTIONED)) is told


# ----- how it is told


def test_headers_alone_tell_what_needs_no_pixels(folder: Path) -> None:
    scene(9, (100, 80)).save(folder / "a.gif")
    (folder / "b.png").touch()
    told = [(f.file.name if f.file else None, f.code) for f in check_headers(list_pictures(folder), CAPTIONED)]
    assert told == [
        ("a.gif", "not-square"),
        ("a.gif", "too-small"),
        ("a.gif", "format"),
        ("a.gif", "caption-missing"),
        ("b.png", "unreadable"),
        (None, "too-few"),
    ]


def test_several_findings_of_a_kind_are_told_in_one_line(folder: Path) -> None:
    fill(folder)
    groups = by_code(found(folder, CAPTIONED))
    assert in_one_line(groups["caption-missing"], 5) == "5 of 5 pictures have no caption (good0.png, good1.png, …)"


def test_every_kind_says_what_to_do() -> None:
    assert all(kind.hint.endswith(".") for kind in KINDS.values())


def test_progress_is_told_and_what_it_raises_ends_the_check(folder: Path) -> None:
    fill(folder)
    told: list[tuple[int, int]] = []
    look_through(sorted(folder.iterdir()), SIDE, progress=lambda done, total: told.append((done, total)))
    assert told == [(number, 5) for number in range(1, 6)]

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look_through(sorted(folder.iterdir()), SIDE, progress=stop)


def test_a_picture_is_looked_at_once_until_its_file_changes(folder: Path) -> None:
    fill(folder, 1)
    path = folder / "good0.png"
    first = look_at(path, SIDE)
    assert look_at(path, SIDE) is first
    scene(7).save(path)
    os.utime(path, ns=(1, 1))
    assert look_at(path, SIDE) is not first
