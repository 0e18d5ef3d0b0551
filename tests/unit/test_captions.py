"""Captions as tools and editors leave them: any encoding, any line end, a tagger's escapes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tinv_tui.datasets.captions import NameCaptions, read_caption, tidy


def caption_of(tmp_path: Path, raw: bytes, name: str = "a") -> str | None:
    (tmp_path / f"{name}.txt").write_bytes(raw)
    return read_caption(tmp_path / f"{name}.png")[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_every_unicode_encoding_that_marks_itself_is_read(tmp_path: Path, encoding: str) -> None:
    assert caption_of(tmp_path, "a café, 猫\n".encode(encoding)) == "a café, 猫"


def test_big_endian_utf_16_is_read(tmp_path: Path) -> None:
    assert caption_of(tmp_path, b"\xfe\xff" + "a café".encode("utf-16-be")) == "a café"


def test_what_is_not_utf_8_is_read_as_western_windows_text(tmp_path: Path) -> None:
    assert caption_of(tmp_path, "“naïve” café €5".encode("cp1252")) == "“naïve” café €5"


def test_bytes_that_are_no_text_do_not_stop_anything(tmp_path: Path) -> None:
    caption = caption_of(tmp_path, b"cat \x81\x00\xff dog")
    assert caption is not None
    assert (caption.startswith("cat "), caption.endswith(" dog"), "\x00" in caption) == (True, True, False)


def test_an_odd_utf_16_file_does_not_stop_anything(tmp_path: Path) -> None:
    assert (caption_of(tmp_path, "cat".encode("utf-16") + b"x") or "").startswith("cat")


def test_lines_become_one_without_stray_spaces(tmp_path: Path) -> None:
    assert caption_of(tmp_path, b"  a cat,\r\n on\ta   mat \r\n\r\n") == "a cat, on a mat"


def test_a_picture_without_a_caption_file_has_none(tmp_path: Path) -> None:
    assert read_caption(tmp_path / "a.png")[0] is None


def test_a_folder_in_the_place_of_the_caption_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    assert read_caption(tmp_path / "a.png")[0] is None


def test_a_pipe_in_the_place_of_the_caption_is_none_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    assert read_caption(tmp_path / "a.png") == (None, "is no file")


def test_a_file_of_more_than_64_kib_is_no_caption(tmp_path: Path) -> None:
    assert caption_of(tmp_path, b"a" * 2**16) == "a" * 2**16
    assert read_caption(tmp_path / "a.png")[1] == ""
    assert caption_of(tmp_path, b"a" * (2**16 + 1)) is None
    assert read_caption(tmp_path / "a.png")[1] == "holds more than 64 KiB, which is no caption"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with a picture and its caption, beside the dataset that the tests make."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "theirs.png").touch()
    (folder / "theirs.txt").write_text("a private word")
    return folder


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("aim", ["../elsewhere/theirs.txt", "/dev/null", "/etc/passwd", "round.txt"])
def test_a_link_that_leads_out_of_the_folder_is_not_read(dataset: Path, elsewhere: Path, aim: str) -> None:
    (dataset / "a.png").touch()
    (dataset / "a.txt").symlink_to(aim)
    (dataset / "round.txt").symlink_to(elsewhere / "theirs.txt")
    assert read_caption(dataset / "a.png") == (None, "is a link that leads out of its folder")


def test_a_link_to_another_file_of_the_folder_is_read(dataset: Path) -> None:
    (dataset / "all.txt").write_text("a fox")
    (dataset / "a.txt").symlink_to("all.txt")
    assert read_caption(dataset / "a.png")[0] == "a fox"


def test_a_picture_and_a_caption_that_are_links_to_one_folder_belong_together(dataset: Path, elsewhere: Path) -> None:
    (dataset / "a.txt").symlink_to(elsewhere / "theirs.txt")
    (dataset / "a.png").symlink_to(elsewhere / "theirs.png")
    assert read_caption(dataset / "a.png")[0] == "a private word"
    (dataset / "a.png").unlink()
    (dataset / "a.png").symlink_to(dataset / "another.png")
    assert read_caption(dataset / "a.png")[0] is None


def test_captions_of_a_folder_that_is_a_link_are_read(dataset: Path, elsewhere: Path) -> None:
    (dataset / "linked").symlink_to(elsewhere)
    assert read_caption(dataset / "linked" / "theirs.png")[0] == "a private word"


def test_a_link_to_nothing_is_no_caption_file(dataset: Path) -> None:
    (dataset / "a.txt").symlink_to("gone.txt")
    assert read_caption(dataset / "a.png") == (None, "")


@pytest.mark.parametrize("raw", [b"", b"\n", b"\xef\xbb\xbf"])
def test_an_empty_caption_file_is_an_empty_caption(tmp_path: Path, raw: bytes) -> None:
    assert caption_of(tmp_path, raw) == ""


@pytest.mark.parametrize("name", ["IMG 01.final", "猫 (1)", "a.b.c"])
def test_the_caption_has_the_pictures_name_up_to_the_last_dot(tmp_path: Path, name: str) -> None:
    assert caption_of(tmp_path, b"yes", name) == "yes"


def test_a_taggers_escapes_are_undone() -> None:
    assert tidy(r"saber \(fate\), \[x\]") == "saber (fate), [x]"


def test_a_caption_is_plain_text_without_weights_or_breaks() -> None:
    assert tidy("(cat:1.2), BREAK [dog]") == "(cat:1.2), BREAK [dog]"


@pytest.mark.parametrize(
    ("stem", "caption"),
    [
        ("00003-1-a red fox", "a red fox"),
        ("a red fox, on snow", "a red fox, on snow"),
        ("12 mother's well-worn chair", "mother's well-worn chair"),
        ("çà 猫", "çà 猫"),
        ("a dog with 3 legs", "a dog with 3 legs"),
        ("00003-1-", None),
        ("001", None),
        ("IMG_1234", None),
        ("IMG 1234 copy", None),
        ("DSC00017", None),
        ("Screenshot 2024-01-02 at 10.11.12", None),
        ("cat", None),
        ("cat (1)", None),
        ("3f2a9c1e-77b0-4c1d", None),
    ],
)
def test_without_an_expression_a_name_is_a_caption_only_if_it_reads_as_words(stem: str, caption: str | None) -> None:
    assert NameCaptions().caption_of(Path(f"{stem}.png")) == caption


@pytest.mark.parametrize(
    ("pattern", "join", "stem", "caption"),
    [
        (r"[^\W\d_]+", " ", "00003-a_red_fox_2", "a red fox"),
        (r"[^\W\d_]+", ", ", "red_cat", "red, cat"),
        (r"[a-z]+", "", "red_cat", "redcat"),
        (r"(\w+)-of-", " ", "cat-of-mine", "cat"),
        (r"(\w+)-of-(\w+)", " ", "cat-of-mine", "cat mine"),
        (r"[^\W\d_]+", " ", "00012", None),
    ],
)
def test_all_that_an_expression_finds_in_a_name_is_joined(
    pattern: str, join: str, stem: str, caption: str | None
) -> None:
    assert NameCaptions(pattern, join).caption_of(Path(f"{stem}.png")) == caption
