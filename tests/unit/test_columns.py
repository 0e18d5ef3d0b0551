"""Tables of the command line: within the terminal, whole in a pipe."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image
from rich.cells import cell_len

from tinv_tui import paths
from tinv_tui.cli import commands
from tinv_tui.cli.columns import in_columns, terminal_width
from tinv_tui.recipe import make_recipe
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.folder import create_run_folder
from tinv_tui.runs.status import Status, write_status

LONG = "the-neighbours-ginger-cat-on-its-favourite-blanket-2"
ROWS = [("state", "run", "step"), ("finished", "cat", "400/400"), ("stopped", LONG, "7/20000")]


def lines(width: int | None) -> list[str]:
    return list(in_columns(ROWS, name=1, numbers=[2], width=width))


def test_columns_are_as_wide_as_their_words_and_numbers_end_at_the_right() -> None:
    assert list(in_columns(ROWS[:2], name=1, numbers=[2], width=80)) == [
        "state     run     step",
        "finished  cat  400/400",
    ]


def test_in_a_pipe_every_row_is_one_line_with_its_whole_name() -> None:
    assert lines(None)[2] == f"stopped   {LONG}  7/20000"
    assert len(lines(None)) == 3


def test_in_a_narrow_terminal_a_long_name_takes_a_line_of_its_own_and_stays_whole() -> None:
    assert lines(40)[1:] == [
        "finished  cat                    400/400",
        f"stopped   {LONG}",
        "                                 7/20000",
    ]


def test_letters_of_two_cells_count_as_two_and_no_name_reaches_the_terminal_as_a_command() -> None:
    told = list(in_columns([("ねこ", "1"), ("cat\x1b[2J", "2")], name=0, numbers=[], width=None))
    assert told == ["ねこ     1", "cat�[2J  2"]


def test_the_width_is_the_terminals_and_a_pipe_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    assert terminal_width() is None
    monkeypatch.setattr("tinv_tui.cli.columns.sys.stdout", Terminal())
    assert terminal_width() == 50


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def many() -> list[str]:
    """Runs whose every word is about as long as it gets."""
    names = [LONG, "chartreuse-corduroy", "zork", "cat"]
    for name in names:
        folder = create_run_folder(paths.runs_folder(), name)
        rate = {"zork": "0.005", "cat": "0.001"}.get(name, "0.0005")
        folder.recipe.write_text(to_toml(make_recipe({"training": {"learning_rate": rate}})))
        write_status(
            folder.status,
            Status(
                state="stopped", step=120_000, steps=200_000, loss=0.1234, steps_per_second=12.34, eta_seconds=44_000.0
            ),
        )
    return names


@pytest.mark.parametrize("asked", [["runs"], ["compare", LONG, "chartreuse-corduroy", "zork", "cat"]])
def test_runs_and_compare_fit_80_columns(many: list[str], asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("watching", "comparing"):
        monkeypatch.setattr(f"tinv_tui.cli.{module}.terminal_width", lambda: 80)
    told = CliRunner().invoke(commands, asked)
    assert told.exit_code == 0, told.output
    assert max(map(len, told.stdout.splitlines())) <= 80
    assert all(name in told.stdout for name in many)
    assert len(told.stdout.partition("\n\n")[0].splitlines()) == 6  # a head, and two lines for the long name


def test_the_table_of_check_stands_straight_whatever_pictures_are_called(tmp_path: Path) -> None:
    for name in ("frog.jpg", "蛙の写真.jpg", "a\nb.jpg"):
        Image.effect_noise((600, 600), 90).save(tmp_path / name)
    told = CliRunner().invoke(commands, ["check", str(tmp_path)])
    rows = [line for line in told.stdout.splitlines() if ".jpg" in line and "scaled down" in line]
    assert {cell_len(row.partition("600 × 600")[0]) for row in rows} == {16}
    assert len(rows) == 3
    assert "a�b.jpg" in told.stdout
