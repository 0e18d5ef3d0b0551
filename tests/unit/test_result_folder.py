"""What a job writes to: folders that are made for it stay only where something was written."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from tinv_tui.worker.result_folder import result_folder


def test_folders_are_made_and_stay_with_what_was_written_there(tmp_path: Path) -> None:
    with result_folder(tmp_path / "new" / "deep"):
        (tmp_path / "new" / "deep" / "a.png").touch()
    assert (tmp_path / "new" / "deep" / "a.png").exists()


def test_folders_without_anything_go_up_to_the_first_that_was_made(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "very" / "deep"
    with suppress(ValueError), result_folder(folder):
        assert folder.is_dir()
        raise ValueError("no model")
    assert list(tmp_path.iterdir()) == []


def test_a_made_folder_in_which_somebody_else_put_something_stays(tmp_path: Path) -> None:
    with result_folder(tmp_path / "new" / "deep"):
        (tmp_path / "new" / "note.txt").touch()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["note.txt"]


def test_an_empty_folder_that_was_there_before_stays(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    with result_folder(tmp_path / "theirs"):
        pass
    assert (tmp_path / "theirs").is_dir()


@pytest.mark.parametrize("last", ["x" * 300, "file/below"])
def test_where_the_last_folder_cannot_be_made_those_above_it_go_too(tmp_path: Path, last: str) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / last if last.startswith("file") else tmp_path / "new" / last
    with pytest.raises(OSError, match=r"File name too long|exists|Not a directory"), result_folder(folder):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
