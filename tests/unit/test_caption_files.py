"""Captions are edited without losing a word: written whole or not at all, and nothing that is no text is written over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tinv_tui.datasets.caption_files import open_caption, save_caption
from tinv_tui.datasets.captions import read_caption
from tinv_tui.errors import InputError


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return tmp_path / "a fox.png"


def files(picture: Path) -> list[str]:
    return sorted(path.name for path in picture.parent.iterdir())


def test_what_is_kept_is_what_training_reads(picture: Path) -> None:
    caption = open_caption(picture)
    assert (caption.path.name, caption.text, caption.held) == ("a fox.txt", "", None)
    save_caption(caption, "  a réd fox,\non snow 🦊 \n")
    assert caption.path.read_bytes() == "a réd fox,\non snow 🦊\n".encode()
    assert read_caption(picture)[0] == "a réd fox, on snow 🦊"
    assert open_caption(picture).text == "a réd fox,\non snow 🦊"
    assert files(picture) == ["a fox.txt"]


def test_a_caption_from_the_name_becomes_a_file_and_an_empty_file_takes_its_place(picture: Path) -> None:
    caption = open_caption(picture, "a fox")
    assert (caption.text, caption.held) == ("a fox", None)
    assert files(picture) == []
    save_caption(caption, "")
    assert read_caption(picture)[0] == ""
    assert open_caption(picture, "a fox").text == ""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_any_encoding_is_opened_and_becomes_utf_8(picture: Path, encoding: str) -> None:
    picture.with_suffix(".txt").write_bytes("a café\r\nat\xa0night".encode(encoding))
    caption = open_caption(picture)
    assert caption.text == "a café\nat\xa0night"
    save_caption(caption, caption.text)
    assert caption.path.read_bytes() == "a café\nat\xa0night\n".encode()


@pytest.mark.parametrize(
    ("held", "why"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is no text"),
        (b"a cat \x81\x8d", "is no text"),
        (b"a cat\x1b[2J", "is no text"),
        (b"\xff\xfea", "is no text"),
        (b"a" * 70_000, "more than 64 KiB"),
    ],
)
def test_a_file_that_is_no_text_is_refused_and_left_as_it_is(picture: Path, held: bytes, why: str) -> None:
    picture.with_suffix(".txt").write_bytes(held)
    with pytest.raises(InputError, match=rf"a fox\.txt .*{why}"):
        open_caption(picture)
    assert picture.with_suffix(".txt").read_bytes() == held


def test_a_folder_in_its_place_and_a_file_that_may_not_be_read_are_refused(picture: Path) -> None:
    picture.with_suffix(".txt").mkdir()
    with pytest.raises(InputError, match="is no file"):
        open_caption(picture)


def test_what_training_does_not_read_is_not_edited_either(picture: Path) -> None:
    os.mkfifo(picture.with_suffix(".txt"))
    with pytest.raises(InputError, match=r"a fox\.txt is no file"):
        open_caption(picture)
    picture.with_suffix(".txt").unlink()
    picture.with_suffix(".txt").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match="leads out of its folder"):
        open_caption(picture)


def test_a_write_that_fails_leaves_the_old_caption_and_nothing_beside_it(
    picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture.with_suffix(".txt").write_text("the old one")
    caption = open_caption(picture)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, full)
            with pytest.raises(InputError, match="No space left"):
                save_caption(caption, "the new one")
        assert caption.path.read_text() == "the old one"
        assert files(picture) == ["a fox.txt"]


def test_what_another_program_wrote_meanwhile_is_only_replaced_when_asked_for(picture: Path) -> None:
    caption = open_caption(picture)
    caption.path.write_text("theirs")
    with pytest.raises(InputError, match="changed by something else"):
        save_caption(caption, "mine")
    assert caption.path.read_text() == "theirs"
    save_caption(caption, "mine", over_changes=True)
    assert caption.path.read_text() == "mine\n"


def test_pictures_that_share_the_file_are_named(picture: Path) -> None:
    for name in ("a fox.png", "a fox.jpg", "a fox.md", "another.png"):
        (picture.parent / name).touch()
    assert open_caption(picture).shared_with == ("a fox.jpg",)
