"""The templates that ship: every line is one the bundled model can read, and says nothing about the picture."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tinv_tui.models.bundled.build import words

FOLDER = Path(__file__).parents[2] / "templates"
KINDS = ("face", "object", "style", "subject")
FILES = tuple(sorted(FOLDER.glob("*.txt")))
DRAWABLE = {
    word
    for table in (words.SHAPES, words.TEXTURES, words.LOOKS, words.SIZES, words.POSITIONS)
    for synonyms in table.values()
    for word in synonyms
} | {
    word
    for table in (words.HUES, words.GREYS, words.BACKGROUNDS)
    for _, synonyms in table.values()
    for word in synonyms
}


def lines_of(file: Path) -> list[str]:
    return file.read_text(encoding="ascii").split("\n")[:-1]


def words_of(line: str) -> list[str]:
    """The words and punctuation marks of a line, its two fields left out."""
    return re.findall(r"[a-z]+|[^a-z\s]", line.replace("[name]", " ").replace("[filewords]", " "))


def test_each_kind_ships_with_and_without_captions() -> None:
    assert {file.stem for file in FILES} == {*KINDS, *(f"{kind}_filewords" for kind in KINDS)}


each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


@each_file
def test_a_template_is_plain_text_without_blank_or_repeated_lines(file: Path) -> None:
    data = file.read_bytes()
    assert data.isascii()
    assert b"\r" not in data
    assert data.endswith(b"\n")
    lines = lines_of(file)
    assert all(line and line == line.strip() for line in lines)
    assert len(set(lines)) == len(lines) >= 12


@each_file
def test_every_line_names_the_embedding_once(file: Path) -> None:
    assert [line for line in lines_of(file) if line.count("[name]") != 1] == []


@each_file
def test_only_the_filewords_templates_hold_the_caption(file: Path) -> None:
    wanted = 1 if file.stem.endswith("_filewords") else 0
    assert [line for line in lines_of(file) if line.count("[filewords]") != wanted] == []


@each_file
def test_every_word_is_in_the_vocabulary_of_the_bundled_model(file: Path) -> None:
    known = set(words.caption_words())
    assert [line for line in lines_of(file) if not known.issuperset(words_of(line))] == []


@each_file
def test_no_line_describes_what_is_in_the_picture(file: Path) -> None:
    assert [line for line in lines_of(file) if not DRAWABLE.isdisjoint(words_of(line))] == []
