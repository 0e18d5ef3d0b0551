"""Names of embeddings, and the library: nothing that is trained is replaced unasked."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.embedding_files import SDXL
from tinv_tui.embeddings import library
from tinv_tui.embeddings.files import Embedding, read_embedding, write_embedding
from tinv_tui.embeddings.formats import FORMATS, library_file
from tinv_tui.embeddings.names import clean_name
from tinv_tui.embeddings.pairs import second_of
from tinv_tui.errors import InputError
from tinv_tui.models.identify import identify


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    folder = tmp_path / "embeddings"
    folder.mkdir()
    return folder


def put(shelf: Path, name: str, step: int | None) -> Path:
    path = shelf / f"{name}.safetensors"
    write_embedding(path, Embedding(name, {"emb_params": np.ones((1, 4), dtype=np.float32)}, step))
    return path


@pytest.mark.parametrize("name", ["my-cat", "my cat.v2_b", "Kätzchen", "猫", "x" * 200, "2"])
def test_letters_of_any_script_digits_dots_dashes_and_spaces_stay(name: str) -> None:
    assert clean_name(name) == name


@pytest.mark.parametrize(
    ("name", "cleaned"), [("<my cat>", "my cat"), ("a*b?c", "abc"), (" a ", "a"), ("a\nb\x00", "ab"), ("a:🐱", "a")]
)
def test_every_other_character_is_dropped(name: str, cleaned: str) -> None:
    assert clean_name(name) == cleaned


@pytest.mark.parametrize(
    "name", ["", "  ", "***", "..", ".", ". .", ".hidden", "../a", "a/b", "a\\b", "/etc", "猫" * 70, "-x", "*-x"]
)
def test_a_name_that_is_empty_hidden_a_path_an_option_or_too_long_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"embedding\.name"):
        clean_name(name)


def test_an_embedding_is_found_by_name(shelf: Path) -> None:
    path = put(shelf, "my cat.v2", 5)
    assert library.find(shelf, "my cat.v2") == path
    assert library.find(shelf, "my cat") is None
    assert library.find(shelf / "gone", "my cat") is None


def test_a_name_nobody_has_is_free(shelf: Path) -> None:
    assert library.free_name(shelf, "cat", set()) == "cat"


def test_an_embedding_at_step_0_is_the_one_to_train(shelf: Path) -> None:
    put(shelf, "cat", 0)
    assert library.free_name(shelf, "cat", set()) == "cat"


@pytest.mark.parametrize("step", [1, 500, None])
def test_a_trained_one_or_one_of_unknown_age_gives_way_to_name_2(shelf: Path, step: int | None) -> None:
    put(shelf, "cat", step)
    assert library.free_name(shelf, "cat", set()) == "cat-2"


def test_a_file_that_cannot_be_read_is_not_replaced_either(shelf: Path) -> None:
    (shelf / "cat.safetensors").write_text("half a file")
    assert library.free_name(shelf, "cat", set()) == "cat-2"


def test_numbers_go_on_past_those_that_are_taken(shelf: Path) -> None:
    put(shelf, "cat", 5)
    put(shelf, "cat-2", 5)
    assert library.free_name(shelf, "cat", {"cat-3"}) == "cat-4"


def test_a_name_that_a_run_will_write_is_taken_even_at_step_0(shelf: Path) -> None:
    put(shelf, "cat", 0)
    assert library.free_name(shelf, "cat", {"cat"}) == "cat-2"


def test_an_embedding_is_loaded_by_name_or_as_a_file_beside_the_recipe(shelf: Path, tmp_path: Path) -> None:
    put(shelf, "cat", 5)
    put(tmp_path, "dog", 7)
    assert library.load(shelf, "cat", tmp_path).step == 5
    assert library.load(shelf, "dog.safetensors", tmp_path).step == 7
    assert library.load(shelf, str(tmp_path / "dog.safetensors"), Path("/")).step == 7


def test_the_library_comes_before_a_file_of_the_same_name(shelf: Path, tmp_path: Path) -> None:
    put(shelf, "cat", 5)
    (tmp_path / "cat").write_text("something else")
    assert library.load(shelf, "cat", tmp_path).step == 5


@pytest.mark.parametrize("name", ["bird", "bird.safetensors", "~nobody-here/bird.safetensors"])
def test_an_embedding_that_is_nowhere_is_an_error_that_says_where_it_was_looked_for(shelf: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        library.load(shelf, name, shelf)
    assert repr(name) in caught.value.message
    assert str(shelf) in caught.value.message


def test_every_file_is_listed_by_name_and_what_cannot_be_read_has_a_reason(shelf: Path) -> None:
    put(shelf, "cat-2", 5)
    put(shelf, "Cat", 0)
    (shelf / "dog.safetensors").write_text("half a file")
    (shelf / "notes.txt").write_text("hello")
    (shelf / ".hidden.safetensors").write_text("")
    (shelf / "folder").mkdir()
    entries = library.read_all(shelf)
    assert [entry.path.name for entry in entries] == [
        "Cat.safetensors",
        "cat-2.safetensors",
        "dog.safetensors",
        "notes.txt",
    ]
    assert [entry.embedding is None for entry in entries] == [bool(entry.reason) for entry in entries]
    assert entries[2].reason.startswith("is not a readable safetensors file")
    assert not any(str(shelf) in entry.reason for entry in entries)


def test_a_library_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert library.read_all(tmp_path / "none") == []
    assert library.names(tmp_path / "none") == []


def test_a_model_that_lies_there_by_mistake_is_told_for_what_it_is_and_not_read(shelf: Path) -> None:
    told = {"dtype": "F16", "shape": [1_000_000_000], "data_offsets": [0, 2_000_000_000]}
    header = json.dumps({"model.diffusion_model.out.weight": told}).encode()
    with (shelf / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + 2_000_000_000)
    (entry,) = library.read_all(shelf)
    assert entry.reason == "is no embedding: it is a base model"


@pytest.mark.parametrize(
    ("width", "family", "fits"),
    [(64, None, True), (64, "SD1", True), (64, "SD2", False), (768, None, False), (1024, None, False)],
)
def test_an_embedding_fits_a_model_of_its_family_and_width(width: int, family: str | None, fits: bool) -> None:
    details = {"family": family} if family else {}
    held = Embedding("cat", {"emb_params": np.ones((1, width), np.float32)}, details=details)
    assert (library.misfit(held, identify("bundled", Path.cwd())) == "") == fits


def test_the_two_files_of_a_pair_are_one_embedding_and_kept_aside_together(shelf: Path) -> None:
    shelf.mkdir(parents=True, exist_ok=True)
    path, second = write_embedding(library_file(shelf, "xl", FORMATS["diffusers"]), SDXL, FORMATS["diffusers"])
    assert [(entry.path, entry.embedding and entry.embedding.family) for entry in library.read_all(shelf)] == [
        (path, "SDXL")
    ]
    before = [path.read_bytes(), second.read_bytes()]
    kept = library.keep_aside(path, "before-use-2")
    assert kept is not None
    assert [kept.read_bytes(), second_of(kept).read_bytes()] == before
    assert read_embedding(kept).family == "SDXL"
