"""Walking through folders: what there is to go into or to take, and what is said of it."""

from __future__ import annotations

from pathlib import Path

from tinv_tui.app.folder_reading import Entry, Listing, read_folder
from tinv_tui.app.path_completion import FOLDER, Takes
from tinv_tui.app.walk import Place, held_in_words, said_of, start_of

MODEL = Takes((".safetensors", ".ckpt"))


def place(*names: str, takes: Takes = MODEL, narrowed: str = "") -> Place:
    entries = tuple(Entry(name.rstrip("/"), name.endswith("/")) for name in names)
    return Place("/m", takes, Listing(entries), narrowed)


def names(at: Place) -> list[str]:
    return [entry.name for entry in at.entries]


def test_folders_come_first_and_only_what_the_field_takes_is_shown() -> None:
    assert names(place("a.ckpt", "b/", "c.txt")) == ["b", "a.ckpt"]
    assert names(place("a.ckpt", "b/", takes=FOLDER)) == ["b"]


def test_typing_narrows_and_a_dot_shows_what_is_hidden() -> None:
    assert names(place(".old/", "Anime.ckpt", "real.ckpt")) == ["Anime.ckpt", "real.ckpt"]
    assert names(place(".old/", "Anime.ckpt", "real.ckpt", narrowed="ani")) == ["Anime.ckpt"]
    assert names(place(".old/", "real.ckpt", narrowed=".o")) == [".old"]


def test_a_folder_is_taken_only_where_one_is_wanted_and_can_be_read() -> None:
    assert place("a/").can_be_taken
    assert not place("a/", takes=Takes((".txt",), folders=False)).can_be_taken
    closed = Place("/m", FOLDER, Listing(problem="may not be read by you"))
    assert not closed.can_be_taken
    assert closed.empty == "this folder may not be read by you; backspace goes up"


def test_what_is_in_a_folder_is_said_in_the_terms_of_the_field(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    for name in ("1.png", "2.JPG", "notes.txt", "model_index.json"):
        (tmp_path / name).write_text("x")
    assert said_of(str(tmp_path), True, FOLDER) == "2 pictures, 1 folder"
    assert said_of(str(tmp_path), True, MODEL) == "diffusers model"
    assert (
        said_of(str(tmp_path / "gone"), True, FOLDER) == said_of(str(tmp_path / "gone"), False, MODEL) == "is not there"
    )
    assert held_in_words(Listing((Entry("1.png", False),), is_cut=True), FOLDER) == "1+ picture"
    assert held_in_words(read_folder(str(tmp_path / "inner")), FOLDER) == "nothing to take"


def test_the_walk_begins_where_the_text_leads_to_as_far_as_it_is_there(tmp_path: Path) -> None:
    assert start_of(str(tmp_path / "gone" / "further"), Path("/")) == str(tmp_path)
    assert start_of("", tmp_path) == start_of("bundled", tmp_path) == str(tmp_path)
