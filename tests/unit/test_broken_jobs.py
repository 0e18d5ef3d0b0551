"""What the command line says of a job that broke."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from tinv_tui import paths
from tinv_tui.cli import commands
from tinv_tui.runs.jobs import JobBroken


async def broken(*_: object, **__: Any) -> dict[str, Any]:
    raise JobBroken(
        "ZeroDivisionError: \x1b[2Jdivision by zero", 'Traceback (most recent call last):\n  File "x.py", line 7'
    )


def test_of_a_job_that_broke_the_last_line_is_said_and_where_more_of_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinv_tui.cli.job_line.run_job", broken)
    asked = ["generate", "a cat", "--model", "bundled"]
    done = CliRunner().invoke(commands, asked)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[1:] == [  # the first says that the prompt names no embedding
        "error: generate failed: ZeroDivisionError: �[2Jdivision by zero",
        f"  What it said last is in {paths.job_log()}",
    ]
    kept = paths.job_log().read_text().splitlines()
    assert kept[:3] == ["generate", "", "Traceback (most recent call last):"]
    assert kept[-1].startswith("ZeroDivisionError")

    paths.job_log().unlink()
    paths.job_log().mkdir()  # where it cannot be kept it is told, line by line
    told = CliRunner().invoke(commands, asked).stderr.splitlines()
    assert told[2:] == ["  Traceback (most recent call last):", '    File "x.py", line 7']
