"""From a created embedding to a trained one, and on from there: which file is read, which is written, what it counts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from tests.worker.helpers import recipe, resumed_here, trained
from tinv_tui import paths
from tinv_tui.embeddings.files import Embedding, read_embedding
from tinv_tui.recipe import Recipe
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.creation import create_embedding, plan_creation
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.use import use_copy


def short(**changes: object) -> Recipe:
    return recipe(training__evaluation_samples=0, training__steps=3, **changes)


def shelved(name: str) -> Embedding:
    return read_embedding(paths.embeddings_folder() / f"{name}.safetensors")


def create(**embedding: object) -> Embedding:
    wanted = recipe(**{f"embedding__{key}": value for key, value in embedding.items()})
    return read_embedding(asyncio.run(create_embedding(plan_creation(wanted, Path.cwd()))))


def test_a_created_embedding_is_the_one_that_is_trained_and_replaced() -> None:
    made = create(init_text="red star", vectors=2)
    run = trained(short(embedding__init_text="something else", embedding__vectors=1))
    assert run.folder.name == "zork"
    result = shelved("zork")
    assert (result.step, result.count) == (3, 2)
    assert not np.array_equal(result.vectors["emb_params"], made.vectors["emb_params"])
    assert [path.name for path in paths.embeddings_folder().iterdir()] == ["zork.safetensors"]


def test_training_a_created_embedding_gives_what_its_phrase_alone_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(init_text="red star", vectors=2)
    trained(short(embedding__init_text="red star", embedding__vectors=2))
    first = shelved("zork").vectors["emb_params"]
    monkeypatch.setenv("TINV_HOME", str(tmp_path / "other"))
    trained(short(embedding__init_text="red star", embedding__vectors=2))
    assert np.array_equal(shelved("zork").vectors["emb_params"], first)


def test_the_recipe_of_such_a_run_repeats_it_where_nothing_was_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(init_text="red star", vectors=3)
    run = trained(short())
    first = shelved("zork")
    assert first.details["init_text"] == "red star"
    again = load_recipe(run.folder.recipe)
    assert (again.embedding.vectors, again.embedding.init_text) == (3, "red star")
    monkeypatch.setenv("TINV_HOME", str(tmp_path / "other"))
    trained(again)
    assert np.array_equal(shelved("zork").vectors["emb_params"], first.vectors["emb_params"])


def test_it_is_said_when_the_recipe_would_begin_with_something_else() -> None:
    create(init_text="red star", vectors=3)
    said = dict(plan_run(short(), Path.cwd()).warnings)
    assert (
        said["embedding-created"] == "embedding.name: zork was created with 3 vectors of 'red star': they are trained"
    )
    same = short(embedding__init_text="red star", embedding__vectors=3)
    assert "embedding-created" not in dict(plan_run(same, Path.cwd()).warnings)


@pytest.mark.parametrize(("step_count", "step"), [("go on", 6), ("restart", 3)])
def test_the_step_count_of_a_continued_embedding_goes_on_or_restarts(step_count: str, step: int) -> None:
    trained(short())
    before = shelved("zork")
    run = trained(short(embedding__continue_from="zork", embedding__step_count=step_count, saving__embedding_every=3))
    assert shelved("zork").step == step
    copy = read_embedding(run.folder.copies / "zork-3.safetensors")
    assert copy.step == 3  # a run counts its own steps
    assert np.array_equal(copy.vectors["emb_params"], shelved("zork").vectors["emb_params"])
    assert not np.array_equal(before.vectors["emb_params"], copy.vectors["emb_params"])


def test_who_goes_on_from_a_copy_counts_the_steps_before_its_run_too() -> None:
    trained(short())
    second = trained(short(embedding__continue_from="zork", saving__embedding_every=2))
    copy = second.folder.copies / "zork-2.safetensors"
    trained(short(embedding__name="third", embedding__continue_from=str(copy)))
    assert shelved("third").step == 3 + 2 + 3
    assert use_copy(second.folder, "2").embedding.step == 3 + 2
    trained(short(embedding__name="fourth", embedding__continue_from="zork"))
    assert shelved("fourth").step == 3 + 2 + 3


def test_a_resumed_run_counts_on_from_what_it_first_continued() -> None:
    """Its own result lies at the name it continued by then, with a higher count."""
    trained(short())
    run = trained(short(embedding__continue_from="zork"))
    assert shelved("zork").step == 6
    assert asyncio.run(resumed_here(run, steps=5)) == 0
    assert shelved("zork").step == 8
