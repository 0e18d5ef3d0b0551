"""The user's own templates: copies that hide what they were copied from, and are never written broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinv_tui.datasets.own_templates import open_own, save_own
from tinv_tui.errors import InputError
from tinv_tui.paths import own_templates_folder, template_files


def test_a_copy_is_written_when_it_is_kept_and_stands_for_the_name_from_then_on(tmp_path: Path) -> None:
    copy = open_own("style", tmp_path)
    assert (copy.name, copy.is_new, own_templates_folder().exists()) == ("style", True, False)
    save_own(copy, "art by [name]")
    assert template_files()["style"] == copy.path
    again = open_own("style", tmp_path)
    assert (again.text, again.is_new) == ("art by [name]\n", False)


def test_a_file_anywhere_is_copied_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "cats.md").write_text("\ufeffa cat, [name]", encoding="utf-8")
    copy = open_own("cats.md", tmp_path)
    assert (copy.path, copy.text) == (own_templates_folder() / "cats.txt", "a cat, [name]")


@pytest.mark.parametrize("text", ["", "\n", "a photo", "a photo of [name]\na photo of [filewords]"])
def test_a_text_that_does_not_hold_is_refused_and_the_file_stays(tmp_path: Path, text: str) -> None:
    copy = open_own("style", tmp_path)
    save_own(copy, "art by [name]")
    with pytest.raises(InputError):
        save_own(copy, text)
    assert copy.path.read_text() == "art by [name]\n"


def test_what_is_no_template_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no template named"):
        open_own("gone", tmp_path)
    (tmp_path / "picture.txt").write_bytes(b"\x89PNG\xff")
    with pytest.raises(InputError, match=r"picture\.txt"):
        open_own("picture.txt", tmp_path)


def test_a_place_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    copy = open_own("style", tmp_path)
    own_templates_folder().parent.mkdir(parents=True)
    own_templates_folder().write_text("no folder")
    with pytest.raises(InputError, match=r"dataset\.template"):
        save_own(copy, "art by [name]")
