"""What the command line says of what nobody meant: a mistyped command, a path for a name, a setting that there is not."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from PIL import Image

from tinv_tui import paths
from tinv_tui.app.checks import check_form
from tinv_tui.app.fields import FIELDS
from tinv_tui.app.form_values import texts_of
from tinv_tui.cli import commands, main
from tinv_tui.embeddings.names import clean_name
from tinv_tui.errors import InputError, as_input_error
from tinv_tui.recipe import make_recipe
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.folder import create_run_folder
from tinv_tui.runs.status import Status, write_status


@pytest.mark.parametrize(("typed", "meant"), [("trian", " Did you mean train?"), ("zzz", "")])
def test_a_mistyped_command_is_told_which_one_is_near(
    typed: str, meant: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tinv-tui", typed, "x"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert capsys.readouterr().err == f"error: there is no command {typed!r}.{meant}\n  See tinv-tui --help.\n"


def test_a_name_of_two_words_is_one_and_a_path_is_told_what_a_name_is() -> None:
    assert clean_name("a b") == "a b"
    with pytest.raises(InputError, match="holds a path separator") as refused:
        clean_name("x/y")
    assert refused.value.hint == "A name is no path. Use letters, digits, spaces and . _ -"


@pytest.fixture
def stopped() -> str:
    folder = create_run_folder(paths.runs_folder(), "indigo")
    folder.recipe.write_text(to_toml(make_recipe({})))
    write_status(folder.status, Status(state="stopped", step=5, steps=20))
    return folder.name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("foo=3", "error: set: there is no key foo\n  A setting is called section.key, as training.steps."),
        ("step=3", "error: set: there is no key step\n  Did you mean training.steps?"),
        ("training.stepz=3", "error: set: there is no key training.stepz\n  Did you mean training.steps?"),
        ("training.steps=many", "error: training.steps = 'many' is not a whole number"),
        ("embedding.vectors=3", "error: --set embedding.vectors: a run keeps the embedding.vectors it began with"),
        (
            "training.clip=norm",
            "error: indigo is stopped: it takes no commands\n  tinv-tui resume indigo --set training.clip=norm\n",
        ),
    ],
)
def test_of_a_stopped_run_only_what_a_resume_would_take_is_advised(stopped: str, change: str, said: str) -> None:
    done = CliRunner().invoke(commands, ["set", stopped, change])
    assert done.exit_code == 2
    assert done.stderr.startswith(said)
    assert ("resume" in done.stderr) == ("resume" in said)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A recipe on two pictures that can be read and two that cannot."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(2):
        Image.new("RGB", (64, 64), (number, 9, 9)).save(pictures / f"{number}.png")
    (pictures / "empty.png").write_bytes(b"")
    (pictures / "text.jpg").write_text("no picture")
    made = tmp_path / "recipe.toml"
    values = {"model": {"path": "bundled"}, "embedding": {"name": "zork"}, "dataset": {"path": str(pictures)}}
    made.write_text(to_toml(make_recipe(values)))
    return made


def said(*arguments: object) -> tuple[int, str]:
    """The exit code, and all that is printed."""
    told = CliRunner().invoke(commands, [str(one) for one in arguments])
    return told.exit_code, told.output


def test_what_cannot_be_read_is_counted_among_all_there_are(plain: Path) -> None:
    assert "2 of 4 pictures cannot be read" in said("plan", plain)[1]


def test_only_what_is_there_is_left_out(plain: Path) -> None:
    told = said("plan", plain, "--set", 'dataset.exclude=["0.png", "none.png"]', "--json")[1]
    assert json.loads(told)["left_out"] == 1


def test_a_wrong_setting_is_not_blamed_on_the_file(plain: Path) -> None:
    code, told = said("plan", plain, "--set", "training.steps=0")
    assert (code, told.splitlines()[0].startswith("error: --set training.steps = 0 is not")) == (2, True)


def test_an_amount_that_is_no_number_is_refused(plain: Path) -> None:
    code, told = said("train", plain, "--detach", "--wait-free", "nan")
    assert (code, told.splitlines()[0]) == (2, "error: --wait-free nan: this is no amount")


def test_a_run_whose_worker_is_gone_has_no_time_left() -> None:
    folder = create_run_folder(paths.runs_folder(), "indigo")
    folder.recipe.write_text(to_toml(make_recipe({})))
    write_status(folder.status, Status(state="running", step=5, steps=20, eta_seconds=400, pid=1))
    (run,) = json.loads(said("runs", "--json")[1])["runs"]
    assert (run["state"], run["eta_seconds"]) == ("lost", None)


def test_a_folder_without_models_is_told(tmp_path: Path) -> None:
    assert said("models", tmp_path) == (0, f"no models in {tmp_path}\n")


@pytest.mark.parametrize("errno_", [errno.EACCES, errno.EISDIR, errno.EEXIST])
def test_what_is_not_the_users_to_write_is_bad_input_and_names_the_file_that_was_to_be(errno_: int) -> None:
    error = as_input_error(OSError(errno_, "No", "/there/.zork.safetensors.x0_nnbs2.tmp"))
    assert error is not None
    assert error.message == "/there/zork.safetensors: No"
    assert as_input_error(OSError(errno.EIO, "No", "/there")) is None


@pytest.mark.parametrize("how", [KeyboardInterrupt, click.Abort, asyncio.CancelledError])
def test_a_command_that_is_interrupted_answers_all_the_same(
    how: type[BaseException], plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise how

    monkeypatch.setattr("tinv_tui.cli.checking.plan_run", interrupted)
    code, told = said("plan", plain, "--json")
    assert (code, json.loads(told)["error"]["code"]) == (130, "interrupted")
    assert said("plan", plain) == (130, "")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["train"], "Missing argument 'RECIPE'.\n  See tinv-tui train --help."),
        (["runs", "--zz"], "No such option '--zz'.\n  See tinv-tui runs --help."),
        (["train", "."], ".: Is a directory\n  A recipe is a TOML file."),
        (["import-a1111", __file__], f"{__file__} is no JSON file\n  Give a settings-….json of A1111."),
    ],
)
def test_the_help_of_the_command_itself_is_named(
    typed: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tinv-tui", *typed])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert capsys.readouterr().err == f"error: {said}\n"


def test_a_folder_that_is_named_as_no_text_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / os.fsdecode(b"caf\xe9")
    (here / "pics").mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(here / "pics" / "a.png")
    recipe = make_recipe({"model": {"path": "bundled"}, "embedding": {"name": "x"}, "dataset": {"path": "pics"}})
    (here / "r.toml").write_text(to_toml(recipe))
    monkeypatch.chdir(here)
    for asked in (["plan", "r.toml"], ["train", "r.toml", "--headless"]):
        told = CliRunner().invoke(commands, asked)
        assert told.exit_code == 2
        assert "dataset.path = " in told.output
        assert "holds what is no text" in told.output
    assert not paths.runs_folder().exists()
    checked = check_form(texts_of(recipe, FIELDS), recipe, here)
    assert "holds what is no text" in " ".join([*checked.errors.values(), *(text for _, text in checked.facts)])


def _in_shell(words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """With the streams that ``words`` redirects, as a shell does."""
    return subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m tinv_tui {words}'],
        env={**os.environ, "TINV_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_streams_that_are_closed_are_as_good_as_empty_ones(tmp_path: Path) -> None:
    for streams in ("<&-", "<&- >&-", "<&- >&- 2>&-"):
        done = _in_shell(f"runs {streams}", tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    assert _in_shell("demo --steps no <&- >&- 2>&-", tmp_path).returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no file here that is always full")
@pytest.mark.parametrize("as_json", ["", "--json"])
def test_a_full_disk_behind_stdout_is_one_error_on_stderr(tmp_path: Path, as_json: str) -> None:
    done = _in_shell(f"runs {as_json} > /dev/full", tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "error: No space left on device"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("asked", ["runs", "embeddings", "models", "doctor"])
def test_every_command_says_when_its_home_is_no_folder(tmp_path: Path, asked: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for home, said in (("file", "is a file, not a folder"), ("file/below", "is a file"), ("link", "leads nowhere")):
        told = CliRunner(env={"TINV_HOME": str(tmp_path / home)}).invoke(commands, asked.split())
        assert told.exit_code == 2
        assert f"TINV_HOME: {tmp_path / home.partition('/')[0]} {said}" in told.output


def test_a_home_one_may_not_look_into_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path)
    told = CliRunner(env={"TINV_HOME": str(tmp_path)}).invoke(commands, ["runs"])
    assert told.exit_code == 2
    assert f"you may not look into {tmp_path}" in told.output


@pytest.mark.parametrize("encoding", ["latin-1", "iso-8859-15"])
def test_what_a_locale_has_no_letter_for_is_a_question_mark_and_no_error(
    stopped: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dash in the table of runs, say."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    monkeypatch.setattr(sys, "argv", ["tinv-tui", "runs"])
    with pytest.raises(SystemExit) as ended:
        main()
    sys.stdout.flush()
    assert not ended.value.code
    assert stopped in written.getvalue().decode(encoding)
