"""A run whose checkpoint is damaged goes on from the one before it, or says what is wrong; lost folders are made again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.worker.helpers import Onlooker, make_job, recipe, resumed_here, train_here, trained
from tests.worker.test_lifecycle import rows_of
from tinv_tui import paths
from tinv_tui.checkpoint_file import before
from tinv_tui.embeddings.files import read_embedding
from tinv_tui.runs.events import read_all
from tinv_tui.training.loop import train
from tinv_tui.training.state import TrainingState
from tinv_tui.worker.reporter import Reporter


class KeepsStep3(Onlooker):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def goes_on(self, state: TrainingState, last_prompt: str, settle: Callable[[], None]) -> bool:
        if state.step == 3:
            state.save(self._path)
        return True


async def test_a_damaged_checkpoint_is_told_and_the_one_before_it_gives_the_same_bytes(tmp_path: Path) -> None:
    run = trained(recipe(training__steps=5))
    job, never_damaged = make_job(tmp_path, recipe(training__steps=8))
    train(job, never_damaged, KeepsStep3(tmp_path / "step-3.safetensors"))
    (tmp_path / "step-3.safetensors").replace(before(run.folder.state))
    run.folder.state.write_bytes(run.folder.state.read_bytes()[:-1])

    assert await resumed_here(run, steps=8) == 0
    events = read_all(run.folder.events)
    warning = next(e for e in events if e["kind"] == "warning" and e["code"] == "checkpoint-older")
    assert "of step 3" in warning["message"]
    assert [e["from_step"] for e in events if e["kind"] == "started"] == [0, 3]
    assert [int(row["step"]) for row in rows_of(run)] == list(range(1, 9))
    result = read_embedding(paths.embeddings_folder() / "zork.safetensors").vectors["emb_params"]
    assert result.tobytes() == never_damaged.vectors.numpy().tobytes()

    for file in (run.folder.state, before(run.folder.state)):
        file.write_bytes(file.read_bytes()[:-1])
    assert train_here(run.folder) == 2
    ended = read_all(run.folder.events)[-1]
    assert (ended["state"], ended["code"]) == ("failed", "checkpoint-broken")
    assert "no sound one before it" in ended["reason"]


async def test_a_run_whose_folders_are_deleted_while_it_trains_makes_them_again_and_can_be_resumed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = Reporter.step

    def tidied_up(reporter: Reporter, *told: Any) -> None:
        step(reporter, *told)
        if told[0].step == 2:
            folder = reporter._folder
            for part in (folder.checkpoint, folder.copies, folder.images, folder.image_embeddings):
                shutil.rmtree(part)

    with monkeypatch.context() as patch:
        patch.setattr(Reporter, "step", tidied_up)
        run = trained(recipe(training__steps=4, saving__embedding_every=4, saving__image_every=4))
    gone = {
        Path(e["message"].split(" was gone")[0]) for e in read_all(run.folder.events) if e.get("code") == "folder-gone"
    }
    assert gone == {run.folder.checkpoint, run.folder.copies, run.folder.images, run.folder.image_embeddings}
    assert {path.name for part in gone - {run.folder.checkpoint} for path in part.iterdir()} == {
        "zork-4.safetensors",
        "zork-4.png",
    }
    assert run.folder.dataset.is_file()
    assert await resumed_here(run, steps=6) == 0
    started = [e["from_step"] for e in read_all(run.folder.events) if e["kind"] == "started"]
    assert started == [0, 4]
