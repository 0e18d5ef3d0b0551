"""How a path goes on while it is typed, whatever the folder is like."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from tinv_tui.app import folder_reading
from tinv_tui.app.folder_reading import Entry, Listing, Reader, read_folder
from tinv_tui.app.path_completion import FOLDER, Completion, Takes, complete, completion_of

MODEL = Takes((".safetensors", ".ckpt"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folders and files that begin alike, hidden ones, and names that no field can hold."""
    top = tmp_path / "top"
    for name in ("cats", "cats-512", "dogs", ".cache"):
        (top / name).mkdir(parents=True)
    for name in ("cat.safetensors", "cat.SAFETENSORS", "cat.txt", ".hidden.ckpt", "cat\x1b[2J.ckpt"):
        (top / name).touch()
    Path(os.fsdecode(os.fsencode(top) + b"/cat\xff.ckpt")).touch()
    return top


def completed(text: str, takes: Takes, beside: Path) -> Completion:
    return asyncio.run(completion_of(text, takes, beside, Reader()))


def test_the_rest_is_that_of_the_first_match_and_a_folder_ends_in_a_slash(folder: Path) -> None:
    found = completed(f"{folder}/ca", FOLDER, Path("/"))
    assert found.text == f"{folder}/cats/"
    assert found.in_words == "→ cats/   1 more: cats-512/"


def test_a_file_field_offers_folders_and_files_with_its_endings(folder: Path) -> None:
    assert completed(f"{folder}/ca", MODEL, Path("/")).matches == (
        "cat.SAFETENSORS",
        "cat.safetensors",
        "cats/",
        "cats-512/",
    )


def test_hidden_entries_come_only_once_a_dot_is_typed(folder: Path) -> None:
    assert completed(f"{folder}/", MODEL, Path("/")).matches[0] == "cat.SAFETENSORS"
    assert completed(f"{folder}/.", MODEL, Path("/")).matches == (".cache/", ".hidden.ckpt")


def test_behind_a_slash_nothing_is_begun_and_it_is_said_what_there_is(folder: Path) -> None:
    found = completed(f"{folder}/", FOLDER, Path("/"))
    assert found.text is None
    assert found.in_words == "3 in it: cats/  cats-512/  dogs/"


def test_of_a_name_that_is_whole_the_form_says_more(folder: Path) -> None:
    found = completed(f"{folder}/cats", FOLDER, Path("/"))
    assert (found.text, found.in_words) == (f"{folder}/cats/", "")
    assert completed(f"{folder}/cat.safetensors", MODEL, Path("/")).text is None


def test_a_relative_path_starts_where_the_field_reads_it_and_a_tilde_is_the_home(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert completed("do", FOLDER, folder).text == "dogs/"
    assert completed("~/do", FOLDER, Path("/")).text == "~/dogs/"
    assert completed("~", FOLDER, Path("/")).text == "~/"


def test_what_is_not_there_is_left_to_the_check_and_what_may_not_be_read_is_said(folder: Path) -> None:
    assert completed(f"{folder}/none/x", FOLDER, Path("/")) == Completion()
    assert completed("owner/mod", MODEL, folder) == Completion()
    closed = Listing(problem=folder_reading.in_words(PermissionError()))
    assert complete("/closed/x", closed, FOLDER).in_words == "/closed may not be read by you"
    assert completed("a\0b/c", FOLDER, folder).text is None


def test_a_link_to_itself_is_no_folder(folder: Path) -> None:
    (folder / "loop").symlink_to("loop")
    assert Entry("loop", False) in read_folder(str(folder)).entries


def test_a_huge_folder_is_read_up_to_a_limit_and_the_count_says_so(folder: Path) -> None:
    listing = read_folder(str(folder), most=3)
    assert len(listing.entries) == 3
    assert listing.is_cut
    assert read_folder(str(folder), seconds=-1).is_cut
    cut = Listing((Entry("cats", True), Entry("cows", True)), is_cut=True)
    assert complete("c", cut, FOLDER).in_words == "→ cats/   1+ more: cows/"


def test_a_mount_that_hangs_is_waited_for_once_and_only_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_reading, "_WAIT_SECONDS", 0.02)
    let_go, asked = threading.Event(), list[str]()

    def hang(folder: str) -> Listing:
        asked.append(folder)
        let_go.wait(10)
        return Listing()

    async def type_on() -> list[Listing]:
        reader = Reader()
        return [await reader.read("/lost", hang), await reader.read("/lost", hang), await reader.read("/", read_folder)]

    first, second, other = asyncio.run(type_on())
    let_go.set()
    assert first == second == Listing(problem="does not answer")
    assert asked == ["/lost"]
    assert other.entries


def test_what_was_read_for_one_letter_serves_the_next(folder: Path) -> None:
    asked = list[str]()

    def read(path: str) -> Listing:
        asked.append(path)
        return read_folder(path)

    async def type_two_letters() -> None:
        reader = Reader()
        await reader.read(str(folder), read)
        await reader.read(str(folder), read)

    asyncio.run(type_two_letters())
    assert asked == [str(folder)]
