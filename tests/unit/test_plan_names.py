"""What a run's embedding is called: what the library and living runs have already is not taken from them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.plans import codes, message, pictures, plan
from tinv_tui import paths
from tinv_tui.embeddings.files import Embedding, write_embedding
from tinv_tui.errors import InputError
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.plan import RunPlan
from tinv_tui.runs.status import Status, write_status

__all__ = ["pictures", "plan"]


def put(name: str, step: int, vectors: int = 3, width: int = 64) -> Path:
    """An embedding in the library."""
    folder = paths.embeddings_folder()
    folder.mkdir(parents=True, exist_ok=True)
    rows = np.ones((vectors, width), dtype=np.float32)
    write_embedding(folder / f"{name}.safetensors", Embedding(name, {"emb_params": rows}, step))
    return folder / f"{name}.safetensors"


def test_a_library_embedding_at_step_0_is_the_one_to_train(plan: Any) -> None:
    put("zork", 0, vectors=3)
    made = plan(embedding__vectors=1)
    assert (made.recipe.embedding.name, made.recipe.embedding.vectors) == ("zork", 3)
    assert codes(made) == ["embedding-created"]
    assert plan(embedding__vectors=3).warnings == ()


def test_a_trained_library_embedding_makes_the_new_one_name_2_and_that_is_said(plan: Any) -> None:
    put("zork", 500, vectors=3)
    made = plan()
    assert (made.recipe.embedding.name, made.recipe.embedding.vectors) == ("zork-2", 1)
    assert "'zork-2'" in message(made, "name-taken")


@pytest.mark.parametrize("changes", [{"embedding__overwrite": True}, {"embedding__continue_from": "zork"}])
def test_overwriting_or_continuing_keeps_the_name(plan: Any, changes: dict[str, Any]) -> None:
    put("zork", 500)
    made = plan(**changes)
    assert made.recipe.embedding.name == "zork"
    assert "name-taken" not in codes(made)


def test_continuing_takes_the_vectors_of_the_embedding_it_continues(plan: Any, tmp_path: Path) -> None:
    put("old", 500, vectors=4).rename(tmp_path / "old.safetensors")
    made = plan(embedding__continue_from="old.safetensors")
    assert (made.recipe.embedding.vectors, made.recipe.embedding.name) == (4, "zork")
    assert made.recipe.embedding.continue_from == str(tmp_path / "old.safetensors")


@pytest.mark.parametrize("changes", [{}, {"embedding__continue_from": "zork"}])
def test_an_embedding_of_another_width_does_not_fit_the_model(plan: Any, changes: dict[str, Any]) -> None:
    put("zork", 0, width=768)
    with pytest.raises(InputError, match="768 wide") as caught:
        plan(**changes)
    assert caught.value.code == "embedding-misfit"
    key = "embedding.continue_from" if changes else "embedding.name"
    assert caught.value.message.startswith(f"{key}: the embedding")


def test_a_name_with_odd_characters_is_cleaned_and_that_is_said(plan: Any) -> None:
    put("zork", 0, vectors=3)
    made = plan(embedding__name="<zork>")
    assert (made.recipe.embedding.name, codes(made)) == ("zork", ["name-cleaned", "embedding-created"])
    assert made.recipe.embedding.vectors == 3


HOLD = (
    "import sys; from pathlib import Path; from tinv_tui.runs.liveness import RunLock\n"
    "lock = RunLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def living_run(plan: Any) -> Iterator[Any]:
    """Makes runs whose lock is held by a real process."""
    started: list[subprocess.Popen[str]] = []

    def live(**changes: Any) -> RunPlan:
        made = plan(**changes)
        folder = make_run(made)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        started.append(subprocess.Popen([sys.executable, "-c", HOLD, str(folder.lock)], text=True, **pipes))
        assert started[-1].stdout.readline() == "held\n"  # type: ignore[union-attr]
        write_status(folder.status, Status(state="running", name=made.recipe.embedding.name))
        return made

    yield live
    for process in started:
        process.kill()
        process.communicate()


def test_a_name_that_a_living_run_trains_is_taken(plan: Any, living_run: Any) -> None:
    living_run()
    assert plan().recipe.embedding.name == "zork-2"
    assert plan(embedding__name="other").recipe.embedding.name == "other"


def test_a_living_run_keeps_its_name_also_when_its_folder_is_called_otherwise(plan: Any, living_run: Any) -> None:
    write_status(make_run(plan()).status, Status(state="stopped", name="zork"))
    living_run()  # trains "zork" in the folder zork-2
    assert plan().recipe.embedding.name == "zork-2"


def test_a_living_run_in_another_log_directory_of_the_recipe_counts(plan: Any, living_run: Any) -> None:
    living_run(saving__log_directory="logs")
    assert plan(saving__log_directory="logs").recipe.embedding.name == "zork-2"


def test_a_run_that_ended_gives_its_name_back(plan: Any) -> None:
    write_status(make_run(plan()).status, Status(state="failed", name="zork"))
    assert plan().recipe.embedding.name == "zork"
