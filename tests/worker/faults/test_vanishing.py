"""What a run was made from vanishes while it trains: it holds all that it needs."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from tests.faults import FaultRecord
from tests.worker.faults.support import PATIENCE_SECONDS, Watch, eventful_recipe, finished, whole_run
from tinv_tui.models import bundled
from tinv_tui.recipe import Recipe
from tinv_tui.runs.run import Run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


@pytest.fixture
def copied(tmp_path: Path) -> tuple[Path, Path]:
    """Model and pictures in folders of their own."""
    model, pictures = tmp_path / "model", tmp_path / "pictures"
    shutil.copytree(bundled.FOLDER, model)
    shutil.copytree(bundled.picture_sets()["chartreuse"], pictures)
    return model, pictures


async def test_a_run_goes_on_when_its_pictures_and_its_model_vanish(
    copied: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: FaultRecord
) -> None:
    model, pictures = copied
    wanted: Recipe = eventful_recipe(model__path=str(model), dataset__path=str(pictures))
    monkeypatch.setenv("TINV_HOME", str(tmp_path / "whole"))
    whole = await whole_run(wanted)
    monkeypatch.setenv("TINV_HOME", str(tmp_path / "robbed"))
    run = await Run.start(wanted)
    task = asyncio.create_task(finished(run))
    watch = Watch(run)
    await watch.event(lambda event: event["kind"] == "saved" and event["what"] == "copy")  # which waits for the hash
    shutil.rmtree(pictures)
    shutil.rmtree(model)
    assert await task == whole
    fault("pictures and model vanish", steps_lost=0, identical=True)


async def test_a_worker_whose_run_folder_is_deleted_ends_and_its_viewers_say_so(fault: FaultRecord) -> None:
    run = await Run.start(eventful_recipe(training__steps=100_000, saving__image_every=0))
    await Watch(run).steps(3)
    command = [sys.executable, "-m", "tinv_tui", "tail", "zork", "--lines", "1"]
    pipe = asyncio.subprocess.PIPE
    viewer = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    assert viewer.stdout is not None
    assert await viewer.stdout.readline()
    while run.folder.path.exists():  # a file that is written meanwhile keeps its folder from going
        shutil.rmtree(run.folder.path, ignore_errors=True)
    assert run.process is not None
    assert await asyncio.to_thread(run.process.wait, PATIENCE_SECONDS) == 1
    _, said = await asyncio.wait_for(viewer.communicate(), PATIENCE_SECONDS)
    assert viewer.returncode == 1
    assert f"{run.folder.path} is gone" in said.decode().splitlines()[0]
    assert not run.folder.path.exists()
    fault("the run's own folder deleted", note="the worker ends, viewers say why")
