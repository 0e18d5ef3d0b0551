"""Making a copy of a run its result, while it goes on and after it has ended."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from tests.worker.helpers import reach, recipe, train_here, trained
from tests.worker.test_cli import answer
from tinv_tui import paths
from tinv_tui.checkpoint_file import before
from tinv_tui.embeddings.files import Embedding, read_embedding, write_embedding
from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.runs.events import read_all
from tinv_tui.runs.inbox import post_command
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.liveness import RunLock
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.use import copies_of, use_copy
from tinv_tui.training.evaluation import Evaluation

ROWS = np.ones((1, 64), dtype=np.float32)


def shelf() -> list[str]:
    return sorted(path.name for path in paths.embeddings_folder().iterdir())


def test_a_copy_of_an_ended_run_becomes_the_result_and_nothing_is_lost() -> None:
    run = trained(
        recipe(
            training__steps=6, saving__embedding_every=2, saving__image_every=3, preview__steps=1, dataset__repeats=1
        )
    )
    result = paths.embeddings_folder() / "zork.safetensors"
    ended = result.read_bytes()
    copies = {copy.word: copy for copy in copies_of(run.folder)}
    assert set(copies) == {"best", "last", "6", "4", "3", "2"}  # 3 is a card: no copy was saved there

    said = answer("use", "zork", "2")
    assert set(said) >= {"path", "name", "vectors", "family"}
    assert (said["path"], said["name"], said["vectors"], said["family"]) == (str(result), "zork", 1, "SD1")
    assert (said["step"], Path(said["kept"]).name) == (2, "zork.before-use-2.safetensors")
    assert Path(said["kept"]).read_bytes() == ended
    now, copy = read_embedding(result), read_embedding(run.folder.copies / "zork-2.safetensors")
    assert (now.name, now.step, now.base_model) == ("zork", 2, "bundled")
    assert now.vectors["emb_params"].tobytes() == copy.vectors["emb_params"].tobytes()

    assert use_copy(run.folder, "3").embedding.step == 3
    assert use_copy(run.folder, "2").kept == (paths.embeddings_folder() / "zork.before-use-2-2.safetensors",)
    assert use_copy(run.folder, "2").kept == ()  # it is that already
    best = use_copy(run.folder, "best").embedding.step
    evaluations = [e for e in read_all(run.folder.events) if e["kind"] == "evaluation" and e["best"]]
    assert best == evaluations[-1]["step"]
    assert use_copy(run.folder, "last").embedding.step == 6
    assert (
        read_embedding(result).vectors["emb_params"].tobytes()
        == read_embedding(Path(said["kept"])).vectors["emb_params"].tobytes()
    )

    error = answer("use", "zork", "5", code=2)["error"]
    assert error["code"] == "copy-missing"
    assert "last (6), 6, 4, 3, 2" in error["hint"]


def test_whatever_it_is_taken_from_a_result_tells_the_same_of_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinv_tui.training.loop.evaluation_interval", lambda *_: 2)
    losses = iter([4.0, 3.0, 2.0])
    monkeypatch.setattr(Evaluation, "loss", lambda *_: next(losses))
    folder = trained(
        recipe(training__steps=4, saving__embedding_every=2, saving__image_every=2, preview__steps=1)
    ).folder
    of_copies = {word: use_copy(folder, word).path.read_bytes() for word in ("2", "4", "best", "last")}
    for path in folder.copies.iterdir():
        path.unlink()
    assert {word: use_copy(folder, word).path.read_bytes() for word in of_copies} == of_copies  # of pictures
    held = use_copy(folder, "2").embedding
    assert (held.details["family"], held.details["init_text"], held.details["seed"]) == ("SD1", "thing", "3")
    assert held.history["recipe"]["training"]["steps"] == 4
    assert held.history["loss"]["best_step"] == 2
    with monkeypatch.context() as patch:
        patch.setattr("tinv_tui.runs.use.identify", moved_away)
        assert use_copy(folder, "2").path.read_bytes() == of_copies["2"]
    for path in folder.image_embeddings.iterdir():
        path.unlink()
    for word in ("best", "last"):
        assert use_copy(folder, word).path.read_bytes() == of_copies[word]  # of the checkpoint


def test_every_format_of_the_result_holds_the_step_that_is_used_and_nothing_hides_it() -> None:
    """A1111 loads all of ``zork.pt`` and ``zork.safetensors``, and keeps the last."""
    made = recipe(training__steps=4, saving__embedding_every=2, saving__formats=["pt", "kohya", "bin"])
    run = trained(made).folder
    ended = {path.name: path.read_bytes() for path in paths.embeddings_folder().iterdir()}
    assert set(ended) == {"zork.pt", "zork.kohya.safetensors", "zork.bin"}
    write_embedding(paths.embeddings_folder() / "zork.safetensors", Embedding("zork", {"emb_params": ROWS}, 0))
    said = answer("use", "zork", "2")
    assert [Path(file).name for file in said["files"]] == list(ended)
    copy = read_embedding(run.copies / "zork-2.safetensors").vectors["emb_params"]
    for file in said["files"]:
        assert read_embedding(Path(file)).vectors["emb_params"].tobytes() == copy.tobytes()
    kept = [Path(file) for file in said["kept_files"]]
    assert [path.name for path in kept] == [
        "zork.before-use-2.pt",
        "zork.kohya.before-use-2.safetensors",
        "zork.before-use-2.bin",
        "zork.before-use-2.safetensors",
    ]
    assert [path.read_bytes() for path in kept[:3]] == list(ended.values())
    assert not (paths.embeddings_folder() / "zork.safetensors").exists()
    assert use_copy(run, "2").kept == ()


def test_of_a_step_that_was_made_again_the_later_is_used() -> None:
    """Its first picture is of what a rollback, or a resume at another rate, has undone."""
    run = trained(recipe(training__steps=2, saving__image_every=1, preview__steps=1)).folder
    first, again = run.image_embeddings / "zork-1.png", run.image_embeddings / "zork-1-2.png"
    again.write_bytes((run.image_embeddings / "zork-2.png").read_bytes())
    (run.image_embeddings / "zork-1-10.png").write_bytes(first.read_bytes())
    for later in (run.image_embeddings / "zork-1-10.png", again, first):
        assert next(copy.path for copy in copies_of(run) if copy.word == "1") == later
        later.unlink()
    assert [copy.word for copy in copies_of(run)] == ["best", "last", "2"]


def moved_away(*_: object) -> BaseModel:
    raise InputError("model-missing", "the model has been moved", "")


async def test_a_copy_can_be_used_while_the_run_goes_on_and_its_end_does_not_lose_it() -> None:
    run = make_run(plan_run(recipe(training__steps=100_000, saving__embedding_every=2), Path.cwd()))
    RunLock(run.lock)
    life = asyncio.create_task(asyncio.to_thread(train_here, run))
    await reach(run, 5)
    with pytest.raises(InputError, match="no copy '3'"):
        use_copy(run, "3")
    used = use_copy(run, "2")
    assert (used.is_live, used.kept, shelf()) == (True, (), ["zork.safetensors"])
    chosen = used.path.read_bytes()
    post_command(run.inbox, "stop")
    assert await life == 0
    step = read_all(run.events)[-1]["step"]
    assert shelf() == [f"zork.before-step-{step}.safetensors", "zork.safetensors"]
    assert (paths.embeddings_folder() / shelf()[0]).read_bytes() == chosen
    assert read_embedding(used.path).step == step
    assert any(e["kind"] == "warning" and e["code"] == "result-kept" for e in read_all(run.events))


def test_without_a_copy_the_checkpoint_is_what_there_is() -> None:
    run = trained(recipe(training__steps=3))
    (paths.embeddings_folder() / "zork.safetensors").unlink()
    used = use_copy(run.folder, "last")
    assert (used.embedding.step, used.kept, used.embedding.base_model) == (3, (), "bundled")
    assert json.loads(json.dumps(dict(used.embedding.details)))["init_text"] == "thing"
    run.folder.state.write_bytes(b"damaged")
    assert [copy.word for copy in copies_of(run.folder)] == ["best", "last"]
    before(run.folder.state).write_bytes(b"damaged")
    assert copies_of(run.folder) == []
    with pytest.raises(InputError, match="no copy 'best'"):
        use_copy(run.folder, "best")
