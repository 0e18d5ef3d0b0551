"""What a command that has waited for a run says of its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinv_tui.cli.headless import summary
from tinv_tui.cli.output import JobFailed
from tinv_tui.runs.folder import create_run_folder
from tinv_tui.runs.run import Run
from tinv_tui.runs.status import Status, write_status


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [("internal", 1), ("not-finite", 1), ("memory-out", 1), ("checkpoint-broken", 2), ("model-missing", 2)],
)
def test_only_a_fault_of_input_is_told_as_one(code: str, exit_code: int, tmp_path: Path) -> None:
    folder = create_run_folder(tmp_path, "cat")
    write_status(folder.status, Status(state="failed", name="cat", step=3))
    ended = {"kind": "ended", "state": "failed", "step": 3, "reason": "it did not do", "code": code, "hint": ""}
    with pytest.raises(JobFailed, match="it did not do") as caught:
        summary(Run(folder), ended, None)
    assert (caught.value.exit_code, caught.value.code) == (exit_code, code)
