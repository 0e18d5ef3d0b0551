"""How a run ends that cannot go on, and how it goes on with other settings."""

from __future__ import annotations

import errno
import tomllib
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from tests.worker.helpers import recipe, resumed_here, train_here, trained
from tests.worker.test_lifecycle import rows_of
from tinv_tui import paths
from tinv_tui.embeddings.files import Embedding, read_embedding, write_embedding
from tinv_tui.errors import InputError
from tinv_tui.recipe import all_keys
from tinv_tui.recipe_file import load_recipe, to_toml
from tinv_tui.runs.events import read_all
from tinv_tui.runs.folder import create_run_folder
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.run import Run
from tinv_tui.runs.status import Status, read_status, write_status
from tinv_tui.training.guard import NotFinite
from tinv_tui.training.memory import OutOfMemory
from tinv_tui.training.state import TrainingState
from tinv_tui.worker import session
from tinv_tui.worker.keeping import Keeper

RATE = 200.0


def spoil(latents: Path) -> bytes:
    """Make the last picture's latents infinite, as a damaged file may be; the bytes that were there before."""
    before = latents.read_bytes()
    tensors = safetensors.torch.load(before)
    tensors["0.mean"][-1] = torch.inf
    latents.write_bytes(safetensors.torch.save(tensors))
    return before


async def test_what_stays_not_finite_ends_the_run_keeps_the_last_good_vectors_and_says_how_to_go_on() -> None:
    run = trained(recipe(training__steps=4, training__learning_rate=str(RATE), training__evaluation_samples=2))
    (paths.embeddings_folder() / "zork.safetensors").unlink()
    sound = spoil(run.folder.checkpoint / "latents.safetensors")

    assert await resumed_here(run, steps=200) == 1
    ended = read_all(run.folder.events)[-1]
    assert (ended["state"], ended["code"], ended["embedding"]) == ("failed", "not-finite", None)
    last, best = ended["step"], [e for e in read_all(run.folder.events) if e["kind"] == "evaluation" and e["best"]][-1]
    # A loss that is bad in step n + 2 makes step n + 1 suspect: it is made three times more, at half the rate each time.
    assert f"step {last + 2} is not finite (learning rate {RATE / 8:g})" in ended["reason"]
    told = [e for e in read_all(run.folder.events) if e["kind"] == "warning" and e["code"] == "rolled-back"]
    assert [e["step"] for e in told] == [last] * 3
    assert f"tinv-tui resume {run.folder.handle} --set training.learning_rate={RATE / 80:g}" in ended["hint"]

    copies = {read_embedding(path).step: read_embedding(path) for path in run.folder.copies.iterdir()}
    assert set(copies) == {last, best["step"]} - {0}
    assert f"zork-{last}" in ended["reason"]
    assert not (paths.embeddings_folder() / "zork.safetensors").exists()
    assert [int(row["step"]) for row in rows_of(run)] == list(range(1, last + 1))

    (run.folder.checkpoint / "latents.safetensors").write_bytes(sound)
    override = ended["hint"].partition("--set ")[2]
    assert await resumed_here(run, steps=last + 3, overrides=[override]) == 0
    rates = {int(row["step"]): float(row["learn_rate"]) for row in rows_of(run)}
    assert (rates[last], rates[last + 1], len(rates)) == (RATE, RATE / 80, last + 3)


def test_a_run_that_cannot_make_its_first_step_does_not_blame_the_rate(tmp_path: Path) -> None:
    largest = np.full((1, 64), 3e38, dtype=np.float32)  # finite, but no sum of its squares is
    write_embedding(tmp_path / "huge.safetensors", Embedding("huge", {"emb_params": largest}, 5))
    folder = make_run(plan_run(recipe(embedding__continue_from=str(tmp_path / "huge.safetensors")), tmp_path))
    assert train_here(folder) == 1
    ended = read_all(folder.events)[-1]
    assert (ended["state"], ended["code"], ended["step"]) == ("failed", "not-finite", 0)
    assert "nothing had been learned yet" in ended["reason"]
    assert "not the rate" in ended["hint"]
    assert list(folder.copies.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(errno.EFBIG, "File too large"), MemoryError(), RuntimeError("a lost GPU")])
def test_a_run_out_of_memory_says_so_also_where_its_last_steps_cannot_be_saved(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run(plan_run(recipe(), Path.cwd()))

    def fail(*_: object) -> None:
        raise error

    def train(*_: object) -> None:
        monkeypatch.setattr(TrainingState, "save", fail)
        raise OutOfMemory("no memory, not even picture by picture")

    monkeypatch.setattr(session, "train", train)
    assert train_here(folder) == 1
    ended, status = read_all(folder.events)[-1], read_status(folder.status)
    assert (ended["kind"], ended["state"], ended["code"]) == ("ended", "failed", "memory-out")
    assert ended["reason"].startswith("no memory, not even picture by picture; its last steps could not be saved: ")
    assert status is not None
    assert (status.state, status.reason) == ("failed", ended["reason"])


def test_a_run_that_is_not_finite_says_so_whatever_keeps_it_from_being_rescued(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = make_run(plan_run(recipe(), Path.cwd()))

    def fail(*_: object) -> None:
        raise RuntimeError("a lost GPU")

    def train(*_: object) -> None:
        raise NotFinite(2, 0.005, "the loss", suspect=1)

    monkeypatch.setattr(session, "train", train)
    monkeypatch.setattr(Keeper, "rescue", fail)
    assert train_here(folder) == 1
    ended = read_all(folder.events)[-1]
    assert (ended["state"], ended["code"]) == ("failed", "not-finite")
    assert ended["reason"].endswith("the last good vectors could not be kept: RuntimeError: a lost GPU")


async def test_what_is_set_at_a_resume_is_written_into_the_recipe_and_told() -> None:
    run = trained(recipe(training__steps=3))
    wanted = ["training.learning_rate=0.001", "saving.image_every=2", 'preview.prompts=["a zork"]', "training.steps=6"]
    assert await resumed_here(run, overrides=wanted) == 0
    told = {e["key"]: (e["old"], e["new"], e["step"]) for e in read_all(run.folder.events) if e["kind"] == "changed"}
    assert told == {
        "training.learning_rate": ("0.005", "0.001", 3),
        "training.steps": (3, 6, 3),
        "saving.image_every": (0, 2, 3),
        "preview.prompts": ([], ["a zork"], 3),
    }
    written = tomllib.loads(run.folder.recipe.read_text())
    assert [f"{section}.{key}" for section, table in written.items() for key in table] == all_keys()
    kept = load_recipe(run.folder.recipe)
    assert (kept.training.steps, kept.preview.prompts) == (6, ("a zork",))
    assert sorted(p.name for p in run.folder.images.iterdir()) == ["zork-4.png", "zork-6.png"]

    # The recipe tells how every step was trained: another run of it comes to the same.
    assert kept.training.learning_rate == "0.005:3, 0.001"
    again = trained(kept.model_copy(update={"embedding": kept.embedding.model_copy(update={"name": "zork-again"})}))
    for one in (run, again):
        assert [float(row["learn_rate"]) for row in rows_of(one)] == [0.005] * 3 + [0.001] * 3
    states = [TrainingState.load(one.folder.state, torch.device("cpu")) for one in (run, again)]
    assert torch.equal(states[0].vectors, states[1].vectors)


@pytest.mark.parametrize(
    ("override", "code"),
    [
        ("embedding.vectors=3", "not-changeable"),
        ("dataset.repeats=2", "not-changeable"),
        ("saving.log_directory=/tmp", "not-changeable"),
        ("training.learning_rate=fast", "rate-malformed"),
        ("training.step=5", "recipe-unknown-key"),
        ("preview.steps=0", "recipe-value"),
        ("preview.width=72", "size-grid"),
    ],
)
async def test_a_wrong_change_leaves_the_run_as_it_was(override: str, code: str, tmp_path: Path) -> None:
    folder = create_run_folder(tmp_path / "logs", "zork")
    folder.recipe.write_text(to_toml(recipe()))
    write_status(folder.status, Status(state="stopped", name="zork", step=5, steps=20))
    before = {path.name: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}
    with pytest.raises(InputError) as caught:
        await Run(folder).resume(overrides=[override])
    assert caught.value.code == code
    assert {path.name: path.read_bytes() for path in folder.path.iterdir() if path.is_file()} == before
