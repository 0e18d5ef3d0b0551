"""Where things lie, and how files are replaced whole."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tinv_tui import paths
from tinv_tui.atomic import write_atomic, write_together
from tinv_tui.errors import InputError, in_words


def test_home_is_tinv_in_the_users_home_unless_the_environment_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TINV_HOME")
    assert paths.home() == tmp_path / "tinv"
    monkeypatch.setenv("TINV_HOME", "")
    assert paths.home() == tmp_path / "tinv"
    monkeypatch.setenv("TINV_HOME", "~/elsewhere")
    assert paths.home() == tmp_path / "elsewhere"


def test_home_is_absolute_even_when_the_environment_names_it_relatively(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINV_HOME", "here")
    assert paths.home() == tmp_path / "here"


def test_runs_and_embeddings_lie_in_home() -> None:
    assert (paths.runs_folder().parent, paths.embeddings_folder().parent) == (paths.home(), paths.home())
    assert (paths.runs_folder().name, paths.embeddings_folder().name) == ("runs", "embeddings")


@pytest.mark.parametrize("kind", ["styles", "templates"])
def test_what_ships_is_found(kind: str) -> None:
    assert paths.shipped(kind).is_dir()


def test_the_templates_of_the_guide_are_known_by_name() -> None:
    assert {"subject", "subject_filewords", "style", "style_filewords"} <= paths.template_files().keys()


def own_template(name: str) -> Path:
    folder = paths.home() / "templates"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.txt"
    path.write_text("my [name]\n")
    return path


def test_a_template_of_the_users_is_known_too_and_hides_a_shipped_one() -> None:
    mine, hiding = own_template("cats at home"), own_template("style")
    assert paths.find_template("cats at home", Path("/")) == mine
    assert paths.find_template("style", Path("/")) == hiding


def test_a_template_may_be_a_file_beside_the_recipe(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_text("a [name]\n")
    assert paths.find_template("lines.txt", tmp_path) == file
    assert paths.find_template(str(file), Path("/")) == file


@pytest.mark.parametrize("name", ["subjekt", "", "~nobody-here/lines.txt"])
def test_a_template_that_is_nowhere_is_an_error_that_names_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        paths.find_template(name, tmp_path)
    assert repr(name) in caught.value.message
    assert "subject_filewords" in caught.value.hint


def test_an_input_error_prints_what_is_wrong_and_then_what_to_do() -> None:
    assert str(InputError("code", "It is wrong.", "Mend it.")) == "It is wrong.\nMend it."
    assert str(InputError("code", "It is wrong.")) == "It is wrong."


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_written_and_replaced_and_nothing_else_is_left(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "status é.json"
    write_atomic(path, "old", durable=durable)
    write_atomic(path, "größer".encode(), durable=durable)
    assert path.read_text(encoding="utf-8") == "größer"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a" * 251 + ".txt", "猫" * 83 + ".txt"])
def test_any_name_that_a_file_can_have_can_be_written(tmp_path: Path, name: str) -> None:
    """Its temporary file has a name too."""
    write_atomic(tmp_path / name, "x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_the_system_has_against_a_write_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as caught:
        write_atomic(tmp_path / "a.json", "x")
    assert in_words(caught.value) == f"{tmp_path}/a.json: No space left on device"
    assert list(tmp_path.iterdir()) == []


def test_a_written_file_gets_the_modes_that_the_umask_allows(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    code = "import os; os.umask(0o027); from tinv_tui.atomic import write_atomic; from pathlib import Path;"
    subprocess.run([sys.executable, "-c", code + "write_atomic(Path('a'), 'x')"], cwd=tmp_path, check=True)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_write_that_fails_leaves_the_old_content_and_no_other_file(tmp_path: Path) -> None:
    target = tmp_path / "is a folder"
    target.mkdir()
    with pytest.raises(OSError, match="is a folder"):
        write_atomic(target, "x")
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(OSError, match="missing"):
        write_atomic(tmp_path / "missing" / "a", "x")


def test_a_reader_sees_the_old_content_or_the_new_never_half_of_it(tmp_path: Path) -> None:
    path, size = tmp_path / "a", 200_000
    write_atomic(path, b"0" * size)
    done = threading.Event()

    def replace() -> None:
        for round_ in range(60):
            write_atomic(path, str(round_ % 10).encode() * size, durable=False)
        done.set()

    writer = threading.Thread(target=replace)
    writer.start()
    seen = set()
    while not done.is_set():
        content = path.read_bytes()
        seen.add((len(content), len(set(content))))
    writer.join()
    assert seen == {(size, 1)}


def test_a_writer_that_is_killed_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomic(path, "old")
    code = (
        "import os, sys; from pathlib import Path; from tinv_tui.atomic import write_atomic\n"
        "os.replace = lambda *_: os.kill(os.getpid(), 9)\n"
        "write_atomic(Path(sys.argv[1]), 'new')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -9
    assert path.read_text() == "old"
    assert all(p.name.startswith(".") for p in tmp_path.iterdir() if p != path)


def test_a_home_in_the_home_of_nobody_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as changed:
        changed.setenv("TINV_HOME", "~nobody-here/tinv")
        with pytest.raises(InputError, match="TINV_HOME: ~nobody-here/tinv"):
            paths.home()


def test_of_files_written_together_none_takes_its_place_when_one_is_refused(tmp_path: Path) -> None:
    def check(path: Path, temporary: Path) -> None:
        assert temporary.read_bytes() == b"new"
        if path.name == "b":
            raise OSError("b is refused")

    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(OSError, match="b is refused"):
        write_together({tmp_path / "a": b"new", tmp_path / "b": b"new"}, check)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}
