"""A run that is resumed notices when its model or its pictures have become others."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from tinv_tui.errors import InputError
from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs import inputs as module
from tinv_tui.runs import launch as launching
from tinv_tui.runs.events import read_all
from tinv_tui.runs.folder import RunFolder, create_run_folder
from tinv_tui.runs.inputs import compare_inputs, record_inputs
from tinv_tui.runs.run import Run
from tinv_tui.runs.status import Status, write_status


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "unet").mkdir(parents=True)
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"weights")
    (folder / "model_index.json").write_text("{}")
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    files = [tmp_path / f"{name}.png" for name in ("a", "b")]
    for file in files:
        file.write_bytes(file.name.encode())
    return files


@pytest.fixture
def recipe(model: Path) -> Recipe:
    return make_recipe({"model": {"path": str(model)}, "embedding": {"name": "cat"}})


@pytest.fixture
def run(tmp_path: Path, recipe: Recipe, pictures: list[Path]) -> RunFolder:
    folder = create_run_folder(tmp_path / "runs", "cat")
    folder.recipe.write_text(to_toml(recipe))
    write_status(folder.status, Status(state="stopped", step=5, steps=100000))
    hashes = {path: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in pictures}
    record_inputs(folder, recipe, hashes)
    return folder


def changed(run: RunFolder, recipe: Recipe) -> dict[str, str]:
    return {change.key: change.what for change in compare_inputs(run, recipe).changes}


def touch(path: Path) -> None:
    os.utime(path, (1, 1))


def test_what_was_only_touched_or_has_been_noted_by_nobody_is_the_same(
    run: RunFolder, recipe: Recipe, model: Path, pictures: list[Path]
) -> None:
    for path in (*pictures, *model.rglob("*.*")):
        touch(path)
    (model / "more.json").write_text("{}")
    assert changed(run, recipe) == {}
    run.inputs.unlink()
    pictures[0].write_bytes(b"other")
    assert changed(run, recipe) == {}


def test_what_differs_is_named(run: RunFolder, recipe: Recipe, model: Path, pictures: list[Path]) -> None:
    weights = model / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(b"WEIGHTS")
    touch(weights)
    (model / "model_index.json").unlink()
    pictures[0].write_bytes(b"other")
    pictures[1].unlink()
    assert changed(run, recipe) == {
        "model.path": "model_index.json is gone, unet/diffusion_pytorch_model.safetensors",
        "dataset.path": "a.png",
    }
    assert compare_inputs(run, recipe).pictures_gone == 1


@pytest.mark.parametrize("hash_is_known", [True, False])
def test_a_large_file_written_again_is_the_same_only_where_its_hash_says_so(
    run: RunFolder,
    recipe: Recipe,
    model: Path,
    pictures: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    hash_is_known: bool,
) -> None:
    monkeypatch.setattr(module, "_READ_BYTES", 3)
    monkeypatch.setattr(module, "model_hash", lambda root: "abc")
    monkeypatch.setattr(module, "known_hash", lambda root: "abc" if hash_is_known else None)
    record_inputs(run, recipe, {})
    touch(model / "unet" / "diffusion_pytorch_model.safetensors")
    assert bool(changed(run, recipe)) is not hash_is_known


async def test_a_resume_refuses_what_changed_and_leaves_all_as_it_was_unless_told_to_go_on(
    run: RunFolder, recipe: Recipe, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    launched = list[RunFolder]()

    def launch(folder: RunFolder, wait_free_bytes: int = 0) -> subprocess.Popen[bytes]:
        launched.append(folder)
        return subprocess.Popen(["true"])

    monkeypatch.setattr(launching, "launch_worker", launch)
    pictures[0].write_bytes(b"other")
    pictures[1].unlink()
    before = run.status.read_bytes()
    with pytest.raises(InputError, match=r"dataset\.path: a\.png") as caught:
        await Run(run).resume()
    assert caught.value.code == "inputs-changed"
    assert "the pictures it began with: resume --anyway" in caught.value.hint
    assert (launched, run.status.read_bytes(), read_all(run.events)) == ([], before, [])

    handle = Run(run)
    await handle.resume(anyway=True)
    assert launched == [run]
    assert handle.process is not None
    handle.process.wait()
    told = {event["kind"]: event for event in read_all(run.events)}
    assert (told["changed"]["key"], told["changed"]["new"]) == ("dataset.path", "changed: a.png")
    assert told["warning"]["code"] == "pictures-gone"
    assert changed(run, recipe) == {}  # it is asked about once
    assert set(json.loads(run.inputs.read_text())) == {"model", "model_hash", "pictures"}


async def test_a_model_that_is_gone_is_said_before_anything_starts(run: RunFolder, model: Path) -> None:
    model.rename(model.with_name("elsewhere"))
    with pytest.raises(InputError, match="is gone"):
        await Run(run).resume(anyway=True)
