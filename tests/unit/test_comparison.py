"""Runs side by side: what they differ in, the steps they all have previews of, their curves as a table and as a plot."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.ui.support import past_run, recipe
from tinv_tui.app.plot import plot
from tinv_tui.cli import commands
from tinv_tui.runs import budget
from tinv_tui.runs.comparison import common_steps, differing_keys, free_path, read_all, read_compared, write_curves
from tinv_tui.runs.curve import MOST_POINTS
from tinv_tui.runs.folder import RunFolder


@pytest.fixture
def two(tmp_path: Path) -> list[RunFolder]:
    """Two runs that differ in their rate; the second is shorter, and has a preview of one step more."""
    home = tmp_path / "home"
    first = past_run(recipe(tmp_path), home)
    second = past_run(recipe(tmp_path, embedding__name="plork", training__learning_rate="0.001"), home, steps_done=150)
    for folder, steps in ((first, (100, 200)), (second, (100, 150, 200))):
        with folder.events.open("a") as file:
            for step in steps:
                event = {"kind": "preview", "step": step, "path": f"{step}.png", "prompt": "a zork", "seed": 1}
                file.write(json.dumps({"v": 1, "t": "2026-11-22T09:15:00.000+00:00", **event}) + "\n")
    return [first, second]


def test_only_settings_that_differ_are_told_and_not_the_name(two: list[RunFolder]) -> None:
    runs = [read_compared(folder) for folder in two]
    assert differing_keys(runs) == [("training.learning_rate", ["0.005", "0.001"])]
    two[1].recipe.write_text("not a recipe [")
    assert differing_keys([read_compared(folder) for folder in two]) == []


def test_previews_are_compared_at_steps_that_all_have(two: list[RunFolder]) -> None:
    runs = [read_compared(folder) for folder in two]
    assert common_steps(runs) == [100, 200]
    assert common_steps([]) == []


def test_curves_become_a_table_with_empty_cells_where_a_run_has_nothing(two: list[RunFolder], tmp_path: Path) -> None:
    write_curves([read_compared(folder) for folder in two], tmp_path / "curves.csv")
    rows = list(csv.DictReader((tmp_path / "curves.csv").open()))
    names = [folder.handle for folder in two]
    assert list(rows[0]) == ["step", *(f"{name} {kind}" for name in names for kind in ("smoothed", "evaluation"))]
    assert [int(row["step"]) for row in rows] == list(range(10, 301, 10))
    last = rows[-1]
    assert float(last[f"{names[0]} smoothed"]) > 0
    assert last[f"{names[1]} smoothed"] == ""
    assert {row["step"]: row[f"{names[0]} evaluation"] for row in rows}["200"] == "0.1081000"


def test_a_table_of_a_long_run_has_a_row_for_each_of_its_steps(two: list[RunFolder], tmp_path: Path) -> None:
    """The curve that is drawn of it has stretches of several steps."""
    steps = 3 * MOST_POINTS
    rows = (f"{step},0,{step},{0.5 + step % 7 / 100:.7f},0.005\n" for step in range(1, steps + 1))
    two[0].losses.write_text("step,epoch,epoch_step,loss,learn_rate\n" + "".join(rows))
    runs = [read_compared(folder) for folder in two]
    assert len(runs[0].smoothed) < MOST_POINTS
    write_curves(runs, tmp_path / "curves.csv")
    table = list(csv.DictReader((tmp_path / "curves.csv").open()))
    assert [int(row["step"]) for row in table] == list(range(1, steps + 1))
    smoothed = [row[f"{two[0].handle} smoothed"] for row in table]
    assert all(smoothed)
    assert float(smoothed[-1]) == pytest.approx(runs[0].last_loss, abs=1e-6)


def test_a_run_that_is_gone_has_nothing_and_breaks_nothing(two: list[RunFolder]) -> None:
    for file in (two[0].events, two[0].status, two[0].recipe):
        file.unlink()
    gone = read_compared(two[0])
    assert (gone.smoothed, gone.recipe, gone.best, gone.last_loss, gone.training_seconds) == (
        (),
        None,
        None,
        None,
        None,
    )
    shutil.rmtree(two[0].path)
    assert [run.state for run in read_all(two)] == ["gone", "finished"]


def test_runs_of_one_name_are_told_apart_by_their_day(two: list[RunFolder], tmp_path: Path) -> None:
    other = two[1].path.parent.parent / "2026-01-02" / two[0].name
    other.parent.mkdir()
    two[1].path.rename(other)
    folders = [two[0], RunFolder(other)]
    names = [run.name for run in read_all(folders)]
    assert names == [f"{folder.path.parent.name}/{folder.name}" for folder in folders]
    said = CliRunner().invoke(commands, ["compare", *names, "--json"])
    assert [run["name"] for run in json.loads(said.stdout)["runs"]] == names
    write_curves(read_all(folders), tmp_path / "c.csv")
    header = (tmp_path / "c.csv").read_text().splitlines()[0].split(",")
    assert len(set(header)) == len(header) == 5


def test_a_table_that_was_written_before_stays(tmp_path: Path) -> None:
    first = free_path(tmp_path, ["zork", "plork"])
    assert first.name == "compare-zork-plork.csv"
    first.touch()
    assert free_path(tmp_path, ["zork", "plork"]).name == "compare-zork-plork-2.csv"
    assert len(free_path(tmp_path, ["z" * 200] * 4).name) < 255


def test_a_file_that_is_there_is_replaced_only_where_that_is_asked_for(two: list[RunFolder], tmp_path: Path) -> None:
    asked = ["compare", *(folder.handle for folder in two), "--csv", str(tmp_path / "r.toml")]
    (tmp_path / "r.toml").write_text("a recipe")
    refused = CliRunner().invoke(commands, asked)
    assert (refused.exit_code, refused.output) == (
        2,
        f"error: --csv: {tmp_path}/r.toml is there already\n  Give another name, or --overwrite.\n",
    )
    assert json.loads(CliRunner().invoke(commands, [*asked, "--json"]).output)["error"]["code"] == "file-exists"
    assert (tmp_path / "r.toml").read_text() == "a recipe"
    assert CliRunner().invoke(commands, [*asked, "--overwrite"]).exit_code == 0
    assert (tmp_path / "r.toml").read_text().startswith("step,")


def test_time_is_that_of_all_workers_as_the_checkpoint_has_it(
    two: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "newest_sound", lambda path: (b"", {"seconds": 75.0 if path == two[0].state else 0}))
    assert [run.training_seconds for run in read_all(two)] == [75.0, None]


def drawn(
    curves: list[tuple[str, list[tuple[int, float]]]], width: int, height: int, *, log: bool = False
) -> list[str]:
    return ["".join(text for text, _ in row).rstrip() for row in plot(curves, width, height, log=log)]


def test_a_curve_has_a_colour_beside_its_letter() -> None:
    row = plot([("A", [(0, 0.5)]), ("B", [(50, 0.5)])], 40, 2)[0]
    roles = {text.strip(): role for text, role in row}
    assert roles["A"] != roles["B"]


def test_a_logarithmic_scale_is_asked_for() -> None:
    curve = [(0, 1.0), (10, 0.1), (20, 0.01)]
    heights = [
        next(at for at, row in enumerate(drawn([("A", curve)], 28, 12, log=log)) if row[7:].find("A") == 10)
        for log in (False, True)
    ]
    assert heights[0] > heights[1]


def test_a_curve_is_drawn_by_its_letter_ends_where_it_stands_and_leaves_gaps() -> None:
    falling = [(step, 1.0 - step / 200) for step in range(101)]
    short = [(0, 0.1), (50, 0.1)]
    rows = drawn([("A", falling), ("B", short)], 47, 9, log=True)
    assert len(rows) == 9
    assert max(len(row) for row in rows) == 47
    assert rows[0].startswith("0.9950 A")  # the mean of its column
    assert rows[-2].startswith("0.1000 B")
    assert rows[-2][7:].split() == ["B", "B"]  # nothing in between, and nothing behind its end
    assert "B" not in "".join(row[30:] for row in rows[:-1])
    assert rows[-1].split() == ["step", "0", "100"]
    assert plot([("A", []), ("B", [])], 47, 9) == []


def test_where_curves_meet_neither_hides_the_other() -> None:
    assert "*" in "".join(drawn([("A", [(1, 0.5), (9, 0.2)]), ("B", [(1, 0.5)])], 40, 6))


def test_the_command_tells_the_same_and_one_run_is_refused(two: list[RunFolder], tmp_path: Path) -> None:
    names = [folder.handle for folder in two]
    said = json.loads(CliRunner().invoke(commands, ["compare", *names, "--json"]).stdout)
    assert said["differing"] == {"training.learning_rate": ["0.005", "0.001"]}
    assert [run["name"] for run in said["runs"]] == names
    assert said["runs"][0]["best_step"] == 200
    assert said["runs"][0]["training_seconds"] is None
    text = CliRunner().invoke(commands, ["compare", *names, "--csv", str(tmp_path / "c.csv")]).stdout
    assert "training.learning_rate" in text
    assert (tmp_path / "c.csv").exists()
    assert "–" in text
    assert CliRunner().invoke(commands, ["compare", names[0]]).exit_code == 2
    assert CliRunner().invoke(commands, ["compare", names[0], names[0]]).exit_code == 2
