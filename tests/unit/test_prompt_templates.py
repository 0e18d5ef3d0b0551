"""Templates: read from files, filled with captions, and tidied where a caption is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinv_tui import paths
from tinv_tui.datasets.templates import alter_tags, fill_template, read_template, split_tags
from tinv_tui.errors import InputError


def template(tmp_path: Path, raw: bytes) -> list[str]:
    path = tmp_path / "lines.txt"
    path.write_bytes(raw)
    return read_template(path)


def test_blank_lines_are_left_out_and_spaces_tidied(tmp_path: Path) -> None:
    assert template(tmp_path, b"\xef\xbb\xbf a  photo of [name]\r\n\r\n \t\n[name],\t[filewords]") == [
        "a photo of [name]",
        "[name], [filewords]",
    ]


def test_a_line_that_never_says_name_is_refused_and_quoted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lines\.txt: the line 'a photo of \[filewords\]' never says"):
        template(tmp_path, b"a photo of [name]\na photo of [filewords]\n")


@pytest.mark.parametrize("raw", [b"", b"\n \n"])
def test_a_template_without_lines_is_refused(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(InputError, match="no lines"):
        template(tmp_path, raw)


def test_a_template_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lines\.txt"):
        template(tmp_path, b"\x89PNG\r\n\x1a\n\xff")


def test_a_template_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.txt"):
        read_template(tmp_path / "gone.txt")


def test_the_caption_takes_the_place_of_filewords_and_name_stays() -> None:
    assert fill_template("a photo of [name], [filewords]", "red, on a mat") == "a photo of [name], red, on a mat"


def test_every_filewords_is_filled() -> None:
    assert fill_template("[filewords] [name] [filewords]", "red") == "red [name] red"


def test_a_caption_that_holds_a_field_is_not_filled_again() -> None:
    assert fill_template("[name], [filewords]", "a [filewords] sign") == "[name], a [filewords] sign"


@pytest.mark.parametrize("caption", [None, ""])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a photo of [name], [filewords]", "a photo of [name]"),
        ("[filewords], a photo of [name]", "a photo of [name]"),
        ("a photo of [name], [filewords], in color", "a photo of [name], in color"),
        ("a [filewords] photo of [name]", "a photo of [name]"),
        ("a painting of [filewords], art by [name]", "a painting, art by [name]"),
        ("[name] with [filewords]", "[name]"),
        ("[name] , [filewords] , [filewords]", "[name]"),
    ],
)
def test_around_a_missing_caption_the_separators_are_tidied(line: str, expected: str, caption: str | None) -> None:
    assert fill_template(line, caption) == expected


@pytest.mark.parametrize("line", ["the thing I dream of, [name]", "[name], ,", "what [name] is made of"])
def test_a_line_without_filewords_stays_as_it_is_written(line: str) -> None:
    assert fill_template(line, None) == fill_template(line, "red") == line


@pytest.mark.parametrize("name", sorted(paths.template_files()))
def test_a_shipped_line_reads_well_without_a_caption(name: str) -> None:
    for line in read_template(paths.template_files()[name]):
        text = fill_template(line, None)
        assert "[name]" in text
        assert not text.endswith((",", " of", " with"))
        assert ", ," not in text
        assert "  " not in text


def test_tags_are_the_comma_separated_parts_without_blank_ones() -> None:
    assert split_tags(" red cat,, on a mat , ") == ["red cat", "on a mat"]


def test_tags_that_are_not_kept_are_left_out() -> None:
    assert alter_tags("a, b, c", [True, False, True], None) == "a, c"


def test_tags_come_in_the_order_given() -> None:
    assert alter_tags("a, b, c", None, [2, 0, 1]) == "c, a, b"


def test_a_tag_is_kept_or_left_out_wherever_the_order_puts_it() -> None:
    assert alter_tags("a, b, c", [False, True, True], [2, 0, 1]) == "c, b"


def test_of_tags_of_which_none_is_kept_nothing_is_left() -> None:
    assert alter_tags("a, b", [False, False], [1, 0]) == ""
