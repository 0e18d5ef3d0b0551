"""The loss table: a row per step, as A1111 named its columns, whole after any end."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tinv_tui.runs.losses import COLUMNS, LossTable, cut_table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "textual_inversion_loss.csv"


def write(path: Path, *steps: int) -> None:
    table = LossTable(path)
    for step in steps:
        table.add(step, (step - 1) // 4, (step - 1) % 4, 0.125 * step, 0.005)
    table.flush()


def steps_of(path: Path) -> list[int]:
    with path.open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def test_the_first_columns_are_those_of_a1111(path: Path) -> None:
    write(path, 5)
    assert COLUMNS[:5] == ("step", "epoch", "epoch_step", "loss", "learn_rate")
    assert path.read_text().splitlines() == ["step,epoch,epoch_step,loss,learn_rate", "5,1,0,0.6250000,0.005"]


@pytest.mark.parametrize("rate", [1e-8, 0.005, 1 / 3, 2.5])
def test_loss_and_rate_keep_the_digits_that_matter(path: Path, rate: float) -> None:
    table = LossTable(path)
    table.add(1, 0, 0, 1 / 3, rate)
    table.flush()
    with path.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["loss"]) == pytest.approx(1 / 3, abs=1e-7)
    assert float(row["learn_rate"]) == pytest.approx(rate, rel=1e-9)


def test_rows_wait_in_memory_until_they_are_flushed(path: Path) -> None:
    table = LossTable(path)
    table.add(1, 0, 0, 0.1, 0.005)
    assert not path.exists()
    table.flush()
    table.flush()
    assert steps_of(path) == [1]


def test_rows_that_cannot_be_written_wait_for_the_next_time(path: Path) -> None:
    path.mkdir()
    table = LossTable(path)
    table.add(1, 0, 0, 0.1, 0.005)
    with pytest.raises(OSError, match=path.name):
        table.flush()
    path.rmdir()
    table.flush()
    assert steps_of(path) == [1]


def test_a_second_worker_goes_on_in_the_same_table_under_one_header(path: Path) -> None:
    write(path, 1, 2)
    write(path, 3)
    assert steps_of(path) == [1, 2, 3]
    assert path.read_text().count("step,epoch,") == 1


def test_the_table_is_cut_to_the_step_of_the_checkpoint(path: Path) -> None:
    write(path, *range(1, 11))
    whole = path.read_text().splitlines(keepends=True)
    cut_table(path, 7)
    assert path.read_text() == "".join(whole[:8])


def test_a_table_cut_to_its_own_last_step_keeps_every_row(path: Path) -> None:
    write(path, 1, 2, 3)
    before = path.read_bytes()
    cut_table(path, 3)
    assert path.read_bytes() == before


def test_a_half_written_row_is_dropped_even_when_its_step_counts(path: Path) -> None:
    write(path, 1, 2)
    with path.open("a") as file:
        file.write("3,0,2,0.1")
    cut_table(path, 10)
    assert steps_of(path) == [1, 2]


@pytest.mark.parametrize("damage", [b"\x00" * 40 + b"\n", b"\n", b"\xff\xfe,1\n", b"x,y\n"])
def test_a_row_that_a_power_cut_spoiled_is_dropped(path: Path, damage: bytes) -> None:
    write(path, 1, 2)
    with path.open("ab") as file:
        file.write(damage)
    write(path, 3)
    cut_table(path, 10)
    assert steps_of(path) == [1, 2, 3]


@pytest.mark.parametrize("content", ["", "step,epo", "step,epoch,epoch_step,loss,learn_rate\n"])
def test_a_table_without_rows_is_a_header(path: Path, content: str) -> None:
    path.write_text(content)
    cut_table(path, 5)
    assert path.read_text() == ",".join(COLUMNS) + "\n"
    write(path, 1)
    assert steps_of(path) == [1]


def test_a_table_that_is_not_there_is_not_made(path: Path) -> None:
    cut_table(path, 5)
    assert not path.exists()
