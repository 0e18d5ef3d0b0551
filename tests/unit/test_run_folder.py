"""A run is a folder: where it is made, what it holds, and how a user names one."""

from __future__ import annotations

import errno
import json
import os
import pkgutil
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tinv_tui import paths
from tinv_tui.errors import InputError
from tinv_tui.models import bundled
from tinv_tui.recipe import make_recipe
from tinv_tui.runs.folder import RunFolder, all_runs, create_run_folder, find_run
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.log_directories import log_directories, remember
from tinv_tui.runs.plan import RunPlan, plan_run


def make(name: str, date: str = "2026-11-22", below: Path | None = None) -> RunFolder:
    run = RunFolder((below or paths.runs_folder()) / date / name)
    run.path.mkdir(parents=True)
    run.recipe.touch()
    return run


def planned(log_directory: Path) -> RunPlan:
    """A run of the bundled model that can begin."""
    values = {
        "model": {"path": "bundled"},
        "embedding": {"name": "zork"},
        "dataset": {"path": str(bundled.picture_sets()["chartreuse"])},
        "saving": {"log_directory": str(log_directory)},
    }
    return plan_run(make_recipe(values), Path.cwd())


def test_a_run_is_made_below_the_log_directory_under_todays_date(tmp_path: Path) -> None:
    run = create_run_folder(tmp_path / "logs" / "deep", "my cat é")
    today = datetime.now().astimezone().date().isoformat()
    assert run.path == tmp_path / "logs" / "deep" / today / "my cat é"
    assert run.name == "my cat é"


def test_a_taken_name_gets_a_number_and_nothing_is_overwritten(tmp_path: Path) -> None:
    first = create_run_folder(tmp_path, "cat")
    first.recipe.write_text("mine")
    assert [create_run_folder(tmp_path, "cat").name for _ in range(2)] == ["cat-2", "cat-3"]
    assert first.recipe.read_text() == "mine"


def test_a_file_in_the_way_counts_as_taken(tmp_path: Path) -> None:
    day = create_run_folder(tmp_path, "dog").path.parent
    (day / "cat").touch()
    assert create_run_folder(tmp_path, "cat").name == "cat-2"


def test_a_run_is_for_its_owner_only_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        run = create_run_folder(tmp_path, "cat")
    finally:
        os.umask(before)
    made = [run.path, *run.path.iterdir()]
    assert {stat.S_IMODE(p.stat().st_mode) for p in made} == {0o700}


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_run_is_made_where_the_file_system_knows_no_modes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "chmod", refuse)
    run = make_run(planned(tmp_path / "logs"))
    assert run.recipe.is_file()
    assert run.copies.is_dir()


@pytest.mark.parametrize("name", ["os.chmod", "pathlib.Path.mkdir", "tempfile.mkstemp"])
def test_a_run_that_cannot_be_made_whole_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    plan, logs = planned(tmp_path / "logs"), tmp_path / "logs"
    module, _, function = name.rpartition(".")
    real = getattr(pkgutil.resolve_name(module), function)

    def fail(*arguments: Any, **more: Any) -> Any:
        if list(logs.glob("*/*")):  # the run's own folder was made
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments, **more)

    monkeypatch.setattr(name, fail)
    with pytest.raises(InputError, match=r"saving\.log_directory: .*No space left on device"):
        make_run(plan)
    assert list(logs.glob("*/*")) == []


def test_a_new_run_has_the_folders_that_a_worker_fills(tmp_path: Path) -> None:
    run = create_run_folder(tmp_path, "cat")
    expected = {"inbox", "checkpoint", "embeddings", "images", "image_embeddings"}
    assert {p.name for p in run.path.iterdir() if p.is_dir()} == expected


def test_the_layout_is_the_one_that_other_tools_may_count_on() -> None:
    run = RunFolder(Path("/r/2026-11-22/cat"))
    files = (run.recipe, run.events, run.status, run.losses, run.inbox, run.lock, run.worker_log, run.checkpoint)
    assert [p.relative_to(run.path).as_posix() for p in (*files, run.copies, run.images, run.image_embeddings)] == [
        "recipe.toml",
        "events.jsonl",
        "status.json",
        "textual_inversion_loss.csv",
        "inbox",
        "lock",
        "worker.log",
        "checkpoint",
        "embeddings",
        "images",
        "image_embeddings",
    ]


def test_a_log_directory_that_cannot_be_made_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"saving\.log_directory"):
        create_run_folder(tmp_path / "file" / "logs", "cat")


def test_without_runs_there_are_none() -> None:
    assert all_runs() == []


def test_runs_are_listed_newest_first_and_only_those_with_a_recipe(tmp_path: Path) -> None:
    old, new, newer = make("a", "2026-11-20"), make("z", "2026-11-22"), make("b", "2026-11-22")
    os.utime(new.recipe, (1000, 1000))
    os.utime(newer.recipe, (2000, 2000))
    os.utime(old.recipe, (9000, 9000))
    (paths.runs_folder() / "2026-11-22" / "empty").mkdir()
    assert all_runs() == [newer, new, old]
    assert all_runs(tmp_path / "nowhere") == []


def test_a_run_that_is_resumed_or_changed_is_no_newer_for_that() -> None:
    first, second, third = make("first"), make("second"), make("third")
    for number, run in enumerate([first, second, third], start=1):
        t = datetime.fromtimestamp(1000 * number + 5, UTC).isoformat(timespec="milliseconds")
        run.events.write_text(json.dumps({"v": 1, "t": t, "kind": "started"}) + "\n")
        os.utime(run.recipe, (1000 * number, 1000 * number))
    first.recipe.write_text("changed")
    assert all_runs() == [third, second, first]
    waiting = make("waiting")  # its worker has said nothing yet
    os.utime(waiting.recipe, (2002, 2002))
    assert all_runs() == [third, waiting, second, first]


def test_of_runs_whose_stories_began_at_one_moment_the_recipes_tell_the_newest() -> None:
    runs = [make(name) for name in "dbac"]
    for number, run in enumerate(runs, start=2):
        run.events.write_text('{"v":1,"t":"1970-01-01T00:00:01.000+00:00","kind":"started"}\n')
        os.utime(run.recipe, (1000 * number, 1000 * number))
    assert all_runs() == runs[::-1]


@pytest.mark.parametrize(
    "story", ["", "{", "[]", '{"kind": "started"}\n', '{"kind": "started", "t": 5}\n', "x" * 100_000]
)
def test_a_story_that_tells_no_time_leaves_that_of_the_recipe(story: str) -> None:
    old, new = make("old"), make("new")
    old.events.write_text(story)
    os.utime(old.recipe, (1000, 1000))
    os.utime(new.recipe, (2000, 2000))
    assert all_runs() == [new, old]


def test_a_run_is_found_by_path_by_date_and_name_and_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, elsewhere = make("cat"), make("dog", below=tmp_path / "logs")
    assert find_run(str(run.path)) == find_run("2026-11-22/cat") == find_run("cat") == run
    assert find_run(str(elsewhere.path)) == elsewhere
    monkeypatch.chdir(tmp_path)
    assert find_run("logs/2026-11-22/dog") == elsewhere


def test_of_several_runs_of_a_name_the_newest_is_meant() -> None:
    make("cat", "2026-11-20")
    newest = make("cat", "2026-11-22")
    make("cat", "2026-11-21")
    assert find_run("cat") == newest


@pytest.mark.parametrize("text", ["bird", "2026-11-22/bird", "/nowhere", "~nobody-here/cat"])
def test_a_run_that_is_nowhere_is_an_error_that_names_those_there_are(text: str) -> None:
    make("cat")
    with pytest.raises(InputError) as caught:
        find_run(text)
    assert (repr(text) in caught.value.message, "cat" in caught.value.hint) == (True, True)


def test_runs_in_another_log_directory_are_found_once_it_was_used(tmp_path: Path) -> None:
    here, elsewhere = make("cat", "2026-11-20"), make("dog", below=tmp_path / "logs")
    assert all_runs() == [here]
    remember(tmp_path / "logs")
    remember(tmp_path / "logs")
    assert all_runs() == [elsewhere, here]
    assert find_run("dog") == find_run("2026-11-22/dog") == elsewhere
    assert (elsewhere.handle, here.handle) == ("dog", "cat")
    assert log_directories() == [paths.runs_folder(), tmp_path / "logs"]


def test_a_log_directory_that_has_vanished_is_passed_over_and_comes_back(tmp_path: Path) -> None:
    make("dog", below=tmp_path / "logs")
    remember(tmp_path / "logs")
    (tmp_path / "logs").rename(tmp_path / "away")
    assert (all_runs(), log_directories()) == ([], [paths.runs_folder()])
    remember(tmp_path / "others")
    (tmp_path / "away").rename(tmp_path / "logs")
    assert [run.name for run in all_runs()] == ["dog"]


def test_the_own_log_directory_needs_no_remembering() -> None:
    remember(paths.runs_folder())
    assert not paths.home().exists()
