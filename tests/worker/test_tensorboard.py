"""What a run writes for TensorBoard, read back with TensorBoard's own reader."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.worker.helpers import recipe, resumed_here, trained
from tests.worker.test_lifecycle import rows_of
from tinv_tui import paths
from tinv_tui.errors import InputError
from tinv_tui.runs.curve import LossCurve
from tinv_tui.runs.events import read_all
from tinv_tui.runs.plan import plan_run


def read_board(folder: Path) -> Any:
    board = EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0})
    board.Reload()
    return board


def scalars(board: Any, tag: str) -> dict[int, float]:
    return {event.step: event.value for event in board.Scalars(tag)}


async def test_losses_rate_lengths_and_previews_can_be_read_back_and_go_on_after_a_resume() -> None:
    prompts = ["a [name]", "a photo of a zork"]
    wanted = recipe(
        training__steps=4, saving__image_every=2, saving__tensorboard=True, preview__prompts=prompts, preview__steps=1
    )
    run = trained(wanted)
    assert await resumed_here(run, steps=6, overrides=["training.learning_rate=0.001"]) == 0

    board, rows = read_board(run.folder.tensorboard), rows_of(run)
    steps = list(range(1, 7))
    losses = {int(row["step"]): float(row["loss"]) for row in rows}
    assert scalars(board, "loss/training") == pytest.approx(losses, abs=1e-6)
    assert scalars(board, "gradient norm").keys() == losses.keys()
    assert all(norm > 0 for norm in scalars(board, "gradient norm").values())
    assert scalars(board, "learning rate") == pytest.approx({s: 0.005 if s <= 4 else 0.001 for s in steps})
    curve = LossCurve()
    for step, loss in losses.items():
        curve.add(step, loss)
    assert scalars(board, "loss/smoothed") == pytest.approx({p.step: p.smooth for p in curve.points()}, abs=1e-6)
    told = [e for e in read_all(run.folder.events) if e["kind"] == "evaluation" and e["step"]]
    assert scalars(board, "loss/evaluation").items() >= {e["step"]: pytest.approx(e["loss"]) for e in told}.items()
    assert scalars(board, "vector length/1").keys() == scalars(board, "loss/evaluation").keys()
    pictures = board.Images("preview/a zork")
    assert [picture.step for picture in pictures] == [2, 4, 6]
    assert pictures[0].encoded_image_string == (run.folder.images / "zork-2.png").read_bytes()
    assert len(board.Images("preview/a photo of a zork")) == 3


async def test_a_board_that_cannot_be_written_is_a_warning_not_an_end() -> None:
    run = trained(recipe(training__steps=3))
    run.folder.tensorboard.write_text("in the way")
    assert await resumed_here(run, steps=5, overrides=["saving.tensorboard=true"]) == 0
    assert any(e["kind"] == "warning" and e["code"] == "tensorboard-failed" for e in read_all(run.folder.events))


@pytest.fixture
def _without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)


@pytest.mark.usefixtures("_without_the_package")
def test_without_the_package_nothing_is_started(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        plan_run(recipe(saving__tensorboard=True), tmp_path)
    assert caught.value.code == "tensorboard-missing"
    assert "pip install" in caught.value.hint
    assert not paths.home().exists()


@pytest.mark.usefixtures("_without_the_package")
def test_a_run_that_does_not_write_for_it_does_without_it() -> None:
    trained(recipe(training__steps=1))


@pytest.mark.long
def test_a_worker_that_does_not_write_for_it_never_loads_it() -> None:
    code = (
        "import sys; import tinv_tui.worker.session;"
        "assert not [m for m in sys.modules if m.split('.')[0] == 'tensorboard'], 'tensorboard was imported'"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
