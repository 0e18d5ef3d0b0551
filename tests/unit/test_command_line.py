"""What the command line says of what nobody meant: a mistyped command, a path for a name, a setting that there is not."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from tinv_tui import paths
from tinv_tui.cli import commands, main
from tinv_tui.embeddings.names import clean_name
from tinv_tui.errors import InputError
from tinv_tui.recipe import make_recipe, to_toml
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
