"""``tinv-tui check``: what it prints, its JSON, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tinv_tui.cli import dataset
from tinv_tui.cli.dataset import check
from tinv_tui.datasets.pictures import pictures_below, usable_pictures
from tinv_tui.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    for number, colour in enumerate(("red", "green", "blue", "white", "black")):
        Image.new("RGB", (64, 64), colour).save(made / f"{number}.png")
        (made / f"{number}.txt").write_text(f"a {colour} thing")
    return made


def run(*arguments: object) -> Result:
    return CliRunner().invoke(check, [str(argument) for argument in arguments])


def answer(*arguments: object) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(run(*arguments, "--json").stdout)
    return content


def test_a_good_set_has_nothing_to_complain_about(folder: Path) -> None:
    done = run(folder, "--model", "bundled")
    assert done.exit_code == 0
    assert "5 pictures, for training at 64 × 64" in done.stdout
    assert done.stdout.endswith("nothing to complain about\n")
    assert answer(folder, "--model", "bundled")["problems"] == []


def test_each_problem_has_file_code_message_severity_and_hint(folder: Path) -> None:
    (folder / "2.txt").unlink()
    (folder / "4.png").unlink()
    told = answer(folder, "--model", "bundled")
    assert told["images"] == 4
    by_code = {problem["code"]: problem for problem in told["problems"]}
    assert set(by_code) == {"caption-missing", "too-few"}
    assert by_code["caption-missing"]["file"] == str(folder / "2.png")
    assert by_code["too-few"]["file"] == str(folder)
    assert all(set(problem) == {"file", "code", "message", "severity", "hint"} for problem in told["problems"])


def test_what_is_left_out_is_not_looked_at_and_a_name_that_is_not_there_is_wrong_input(folder: Path) -> None:
    (folder / "2.txt").unlink()
    told = answer(folder, "--model", "bundled", "--exclude", "2.png", "--exclude", "3.png")
    assert (told["images"], [problem["code"] for problem in told["problems"]]) == (3, ["too-few"])
    done = run(folder, "--exclude", "gone.png")
    assert done.exit_code == 2
    assert "has no picture gone.png" in done.stderr


def test_warnings_exit_with_0_and_say_what_to_do(folder: Path) -> None:
    done = run(folder)
    assert done.exit_code == 0
    assert "! 0.png  64 × 64, too small: it is enlarged to 512 × 512" in done.stdout
    assert "what to do" in done.stdout
    assert "5 warnings" in done.stdout


def test_size_template_name_and_vectors_are_what_is_checked_for(folder: Path) -> None:
    small = ("--width", 64, "--height", 64)
    assert answer(folder, *small)["problems"] == []
    assert {p["code"] for p in answer(folder, *small, "--name", "red")["problems"]} == {"caption-placeholder"}
    assert {p["code"] for p in answer(folder, *small, "--vectors", 74)["problems"]} == {"caption-long"}
    (folder / "2.txt").unlink()
    assert answer(folder, *small, "--template", "subject")["problems"] == []
    assert [p["code"] for p in answer(folder, *small, "--filename-regex", r"\d")["problems"]] == ["caption-missing"]


def test_of_pictures_in_subfolders_alone_it_is_said_where_they_are(tmp_path: Path) -> None:
    for name in ("cats/a.png", "cats/b.JPG", "cats/notes.txt", "more/dogs/c.webp", ".thumbs/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    done = run(tmp_path)
    assert done.exit_code == 2
    assert "there is no picture in it, but in its subfolders: cats (2), more/dogs (1)\n" in done.stderr
    assert "Give one of those folders" in done.stderr
    with pytest.raises(InputError, match=r"holds no pictures; its subfolders do: cats \(2\), more/dogs \(1\)\n"):
        usable_pictures(tmp_path, [])
    for number in range(9):
        (tmp_path / f"p{number}").mkdir()
        (tmp_path / f"p{number}" / "a.png").touch()
    assert pictures_below(tmp_path) == "cats (2), more/dogs (1), p0 (1), p1 (1) and 7 more"


@pytest.mark.parametrize("names", [[], ["a.png"]])
def test_nothing_usable_exits_with_2_and_still_says_what_was_found(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    done = run(tmp_path, "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 2
    assert (told["images"], told["problems"][-1]["code"], told["error"]["code"]) == (
        0,
        "dataset-empty",
        "dataset-empty",
    )
    assert "no picture that can be used" in run(tmp_path).stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["gone"], "dataset-missing"),
        ([".", "--width", "50"], "recipe-value"),
        ([".", "--template", "gone"], "template-missing"),
        ([".", "--model", "gone"], "model-missing"),
        ([".", "--filename-regex", "(a"], "regex"),
    ],
)
def test_bad_input_exits_with_2(folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: str) -> None:
    monkeypatch.chdir(folder)
    done = run(*arguments, "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["code"] == code


def test_what_many_have_is_counted_among_all_there_are(folder: Path) -> None:
    for number in range(25):
        (folder / f"broken{number:02}.png").touch()
        (folder / f"broken{number:02}.txt").write_text("a thing")
    said = run(folder, "--model", "bundled").stdout
    assert ": 5 pictures, for training at" in said
    assert "25 of 30 pictures cannot be read (broken00.png, broken01.png, …)" in said


def test_what_many_files_share_is_said_once(folder: Path) -> None:
    for caption in folder.glob("*.txt"):
        caption.unlink()
    done = run(folder, "--model", "bundled")
    assert "5 of 5 pictures have no caption (0.png, 1.png, …)" in done.stdout
    assert len(answer(folder, "--model", "bundled")["problems"]) == 5


def test_what_is_wrong_with_more_pictures_than_one_reads_through_is_said_once_each(folder: Path) -> None:
    """And what is wrong with a few stands at their names among them."""
    for number in range(5, 30):
        Image.effect_noise((64, 64), 20 + number).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text("a grey thing")
    Image.effect_noise((600, 900), 90).save(folder / "tall.png")
    (folder / "tall.txt").write_text("a tall thing")
    done = run(folder)
    assert "! 30 of 31 pictures are smaller than they are trained at (0.png, 1.png, …)" in done.stdout
    assert "! tall.png  600 × 900, not square" in done.stdout
    assert "--json names every picture" in done.stdout
    assert len(done.stdout.splitlines()) < 25
    assert sum(problem["code"] == "too-small" for problem in answer(folder)["problems"]) == 30


def test_a_folder_in_the_home_of_nobody_is_not_there() -> None:
    done = run("~nobody-here/cats", "--json")
    assert (done.exit_code, json.loads(done.stdout)["error"]["code"]) == (2, "dataset-missing")


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (PermissionError(13, "Permission denied", "/closed/run"), 2, "/closed/run: Permission denied"),
        (OSError(5, "Input/output error", "/worn/run"), 1, "/worn/run: Input/output error"),
        (OSError("no more of it"), 1, "no more of it"),
    ],
)
def test_a_fault_of_the_disk_is_said_with_its_path(
    monkeypatch: pytest.MonkeyPatch, error: OSError, code: int, says: str
) -> None:
    def fail(*told: object) -> None:
        raise error

    monkeypatch.setattr(dataset, "list_pictures", fail)
    done = run("cats")
    assert (done.exit_code, done.stderr.splitlines()[0]) == (code, f"error: {says}")
