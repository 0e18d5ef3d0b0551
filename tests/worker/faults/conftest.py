"""The run that nothing is done to, which all others are held to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worker.faults.support import Outcome, eventful_recipe
from tests.worker.helpers import train_here
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.run import Run


@pytest.fixture(scope="session")
def never_disturbed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINV_HOME", str(tmp_path_factory.mktemp("never-disturbed")))
        folder = make_run(plan_run(eventful_recipe(), Path.cwd()))
        assert train_here(folder) == 0
        return Outcome.of(Run(folder))
