"""Create: a file at step 0 whose vectors are rows of the base model's token table."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from tinv_tui import paths
from tinv_tui.embeddings.files import Embedding, read_embedding, write_embedding
from tinv_tui.errors import InputError
from tinv_tui.models import bundled
from tinv_tui.models.tokenizer import tokenizer_for
from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.runs.creation import Creation, create_embedding, plan_creation
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.status import Status, write_status


def asked(**embedding: Any) -> Recipe:
    return make_recipe({"model": {"path": "bundled"}, "embedding": {"name": "zork", **embedding}})


def planned(**embedding: Any) -> Creation:
    return plan_creation(asked(**embedding), Path.cwd())


def codes(creation: Creation) -> list[str]:
    return [code for code, _ in creation.warnings]


def shelve(name: str, step: int | None = 5) -> Path:
    paths.embeddings_folder().mkdir(parents=True, exist_ok=True)
    path = paths.embeddings_folder() / f"{name}.safetensors"
    write_embedding(path, Embedding(name, {"emb_params": np.ones((1, 64), np.float32)}, step))
    return path


async def test_the_file_holds_the_rows_of_the_phrase_at_step_0() -> None:
    creation = planned(init_text="red star", vectors=4)
    path = await create_embedding(creation)
    assert path == paths.embeddings_folder() / "zork.safetensors"
    made = read_embedding(path)
    assert (made.name, made.step, made.base_model, made.count) == ("zork", 0, "bundled", 4)
    assert made.details["family"] == "SD1"
    weights = load_file(bundled.FOLDER / "text_encoder" / "model.safetensors")
    table = next(rows for key, rows in weights.items() if key.endswith("token_embedding.weight"))
    red, star = tokenizer_for(bundled.FOLDER / "tokenizer").encode("red star")
    assert np.array_equal(made.vectors["emb_params"], table[[red, red, star, star]])
    assert not creation.warnings


async def test_no_text_makes_zeros() -> None:
    made = read_embedding(await create_embedding(planned(init_text="", vectors=3)))
    assert not made.vectors["emb_params"].any()
    assert made.vectors["emb_params"].shape == (3, 64)


async def test_a_table_that_only_torch_can_read_gives_the_same_file(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file as load_torch

    shutil.copytree(bundled.FOLDER, tmp_path / "bundled")
    encoder = tmp_path / "bundled" / "text_encoder"
    torch.save(load_torch(encoder / "model.safetensors"), encoder / "pytorch_model.bin")
    (encoder / "model.safetensors").unlink()
    wanted = asked(init_text="red star", vectors=3)
    plain = await create_embedding(plan_creation(wanted, tmp_path))
    content = plain.read_bytes()
    plain.unlink()
    other = wanted.model_copy(update={"model": wanted.model.model_copy(update={"path": "./bundled"})})
    path = await create_embedding(plan_creation(other, tmp_path))
    assert path.read_bytes() == content


async def test_a_bin_that_is_no_weights_is_an_error_that_names_it(tmp_path: Path) -> None:
    shutil.copytree(bundled.FOLDER, tmp_path / "model")
    encoder = tmp_path / "model" / "text_encoder"
    (encoder / "model.safetensors").unlink()
    (encoder / "pytorch_model.bin").write_bytes(b"not a pickle")
    wanted = make_recipe({"model": {"path": "model"}, "embedding": {"name": "zork"}})
    with pytest.raises(InputError, match=r"pytorch_model\.bin"):
        await create_embedding(plan_creation(wanted, tmp_path))
    assert not paths.embeddings_folder().exists()


def test_an_embedding_that_is_there_is_only_replaced_when_told() -> None:
    path = shelve("zork")
    with pytest.raises(InputError, match="is there already"):
        planned()
    assert codes(planned(overwrite=True)) == ["embedding-replaced"]
    assert read_embedding(path).step == 5


def test_a_name_whose_result_a_run_will_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "pictures" / "1.png")
    wanted = asked().model_dump() | {"dataset": {"path": str(tmp_path / "pictures"), "template": "subject"}}
    run = make_run(plan_run(make_recipe(wanted), tmp_path))
    hold = "import sys; from pathlib import Path; from tinv_tui.runs.liveness import RunLock\n"
    hold += "lock = RunLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", hold, str(run.lock)], text=True, **pipes) as holder:  # type: ignore[call-overload]
        assert holder.stdout.readline() == "held\n"
        write_status(run.status, Status(state="running", name="zork"))
        with pytest.raises(InputError, match="a run is training 'zork'"):
            planned(overwrite=True)


@pytest.mark.parametrize("name", ["", "***", "a/b", "../a", "a\\b"])
def test_a_name_that_is_empty_or_a_path_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"embedding\.name"):
        planned(name=name)


def test_dropped_characters_are_a_warning_with_the_name_that_results() -> None:
    creation = planned(name="zo*rk!")
    assert creation.name == "zork"
    assert ("name-cleaned", "the embedding is called 'zork'") in creation.warnings


@pytest.mark.parametrize(("name", "ordinary"), [("red", True), ("Star", True), ("zork", False), ("red-star", False)])
def test_an_ordinary_word_of_the_model_is_warned_about(name: str, ordinary: bool) -> None:
    assert ("name-ordinary" in codes(planned(name=name))) == ordinary


@pytest.mark.parametrize(("other", "said"), [("zork-2", True), ("ZORKIAN", True), ("zor", False), ("my-zork", False)])
def test_a_name_that_another_name_starts_with_is_warned_about(other: str, said: bool) -> None:
    shelve(other)
    assert ("name-prefix" in codes(planned())) == said


def test_many_vectors_for_the_dataset_are_warned_about(tmp_path: Path) -> None:
    for number in range(6):
        Image.new("RGB", (64, 64)).save(tmp_path / f"{number}.png")
    wanted = asked(vectors=2).model_copy(update={"dataset": asked().dataset.model_copy(update={"path": str(tmp_path)})})
    assert codes(plan_creation(wanted, Path.cwd())) == ["vectors-many"]


def test_a_dataset_that_is_not_there_yet_is_told_and_no_obstacle() -> None:
    wanted = asked().model_copy(update={"dataset": asked().dataset.model_copy(update={"path": "/not/there"})})
    assert plan_creation(wanted, Path.cwd()).warnings == (
        ("dataset-missing", "dataset.path: /not/there does not exist"),
    )


def test_without_a_base_model_there_is_nothing_to_start_from() -> None:
    with pytest.raises(InputError, match=r"model\.path is required"):
        plan_creation(make_recipe({"embedding": {"name": "zork"}}), Path.cwd())


def test_planning_and_making_never_load_torch(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from tinv_tui.recipe import make_recipe;"
        "from tinv_tui.runs.creation import create_embedding, plan_creation;"
        "r = make_recipe({'model': {'path': 'bundled'}, 'embedding': {'name': 'zork'}});"
        "asyncio.run(create_embedding(plan_creation(r, Path.cwd())));"
        "assert not {'torch', 'transformers', 'diffusers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
