"""The terminal that started or watches a run is torn away: the run goes on to its end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import FaultRecord
from tests.ui.tmux import Tmux
from tests.worker.faults.support import Outcome, Watch, eventful_recipe, finished
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.folder import find_run
from tinv_tui.runs.run import Run

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    server = Tmux(tmp_path / "tmux")
    yield server
    server.close()


@pytest.mark.parametrize(
    ("name", "arguments", "shown"),
    [
        ("train in a terminal that is torn away", [], "● running"),
        ("train --headless in a terminal that is torn away", ["--headless"], "step "),
    ],
)
async def test_a_run_outlives_the_terminal_it_was_started_in(
    name: str,
    arguments: list[str],
    shown: str,
    tmux: Tmux,
    tmp_path: Path,
    never_disturbed: Outcome,
    fault: FaultRecord,
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(to_toml(eventful_recipe()))
    tmux.open(120, 36, "train", str(recipe), *arguments)
    tmux.until(shown)
    run = Run(find_run("zork"))
    _, status = run.state()
    assert status is not None
    tmux.close()
    assert await finished(run) == never_disturbed
    fault(name, steps_lost=0, identical=True)


async def test_a_run_outlives_the_app_that_watches_it(tmux: Tmux, never_disturbed: Outcome, fault: FaultRecord) -> None:
    run = await Run.start(eventful_recipe())
    tmux.open(120, 36, "attach", "zork")
    tmux.until("zork ● running")
    tmux.close()
    await Watch(run).steps(1)
    assert await finished(run) == never_disturbed
    fault("the app in a terminal that is torn away", steps_lost=0, identical=True)
