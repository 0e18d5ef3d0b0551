"""What a run leaves in the library: its formats, and what the file tells of how it was made."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.worker.helpers import resumed_here, train_here, trained
from tests.worker.test_continuing import create, short
from tinv_tui import paths
from tinv_tui.embeddings.cards import write_png
from tinv_tui.embeddings.embedding import Embedding
from tinv_tui.embeddings.files import read_embedding, write_embedding
from tinv_tui.embeddings.formats import FORMATS
from tinv_tui.embeddings.library import find
from tinv_tui.errors import InputError
from tinv_tui.models import bundled
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.events import read_all
from tinv_tui.runs.frozen_dataset import FrozenDataset
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.use import use_copy
from tinv_tui.worker.setup import CheckpointFiles


def result(**changes: Any) -> tuple[Embedding, str]:
    run = trained(short(**changes))
    path = paths.embeddings_folder() / "zork.safetensors"
    length = int.from_bytes(path.read_bytes()[:8], "little")
    assert length < 2**16
    return read_embedding(path), path.read_bytes()[8 : 8 + length].decode() + f"\n{run.folder.path}"


def test_a_result_tells_recipe_pictures_and_losses_and_no_folder_or_time() -> None:
    held, header = result()
    folder = bundled.picture_sets()["chartreuse"]
    history = held.history
    assert history["recipe"]["training"]["steps"] == 3
    assert history["recipe"]["dataset"]["path"] == folder.name
    assert set(history["recipe"]) == {"model", "embedding", "dataset", "training", "saving", "preview", "preprocess"}
    pictures = [path for path in sorted(folder.iterdir()) if path.suffix == ".png"]
    wanted = {hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in pictures}
    assert (history["dataset"]["count"], set(history["dataset"]["sha256"])) == (len(pictures), wanted)
    assert history["dataset"]["sizes"] == {"64x64": len(pictures)}
    assert 0 < history["loss"]["smoothed"] < 10
    assert history["tool"].startswith("tinv-tui ")
    text, run_folder = header.rsplit("\n", 1)
    for private in (str(folder.parent), str(paths.home()), run_folder, Path(run_folder).parent.name):
        assert private not in text


def test_what_is_left_out_is_not_trained_on_and_a_result_tells_how_many_and_no_name() -> None:
    names = [path.name for path in sorted(bundled.picture_sets()["chartreuse"].glob("*.png"))]
    run = trained(short(dataset__exclude=names[1:3]))
    frozen = FrozenDataset.load(CheckpointFiles(run.folder.checkpoint).dataset)
    assert [path.name for path in frozen.files] == [names[0], *names[3:]]
    assert load_recipe(run.folder.recipe).dataset.exclude == tuple(names[1:3])
    held = read_embedding(paths.embeddings_folder() / "zork.safetensors").history
    assert (held["dataset"]["count"], held["dataset"]["left_out"]) == (len(names) - 2, 2)
    assert held["recipe"]["dataset"]["exclude"] == []


def test_whole_paths_are_told_only_when_asked_for() -> None:
    held, _ = result(saving__private_paths=True)
    assert held.history["recipe"]["dataset"]["path"] == str(bundled.picture_sets()["chartreuse"])


def test_the_same_run_gives_the_same_bytes_wherever_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for home in ("a", "b"):
        monkeypatch.setenv("TINV_HOME", str(tmp_path / home))
        trained(short(saving__log_directory=str(tmp_path / home / "elsewhere")))
        files.append((paths.embeddings_folder() / "zork.safetensors").read_bytes())
    assert files[0] == files[1]


def test_every_format_asked_for_is_written_and_the_first_is_the_result() -> None:
    names = ["safetensors", "pt", "diffusers", "bin", "kohya", "onetrainer", "invokeai", "png", "webp"]
    run = trained(short(saving__formats=names))
    files = sorted(path.name for path in paths.embeddings_folder().iterdir())
    assert files == sorted(
        ["zork.safetensors", "zork.pt", "zork.bin", "zork.png", "zork.webp"]
        + [f"zork.{name}.safetensors" for name in ("diffusers", "kohya", "onetrainer", "invokeai")]
    )
    rows = {read_embedding(path).vectors["emb_params"].tobytes() for path in paths.embeddings_folder().iterdir()}
    assert len(rows) == 1
    (ended,) = [event for event in read_all(run.folder.events) if event["kind"] == "ended"]
    assert ended["embedding"] == str(paths.embeddings_folder() / "zork.safetensors")
    saved = [event["path"] for event in read_all(run.folder.events) if event.get("what") == "result"]
    assert len(saved) == len(names)


def test_a_format_with_no_place_for_the_tensors_is_refused_before_there_is_a_run() -> None:
    with pytest.raises(InputError, match=r"saving\.formats: pti"):
        trained(short(saving__formats=["safetensors", "pti"]))
    assert not paths.runs_folder().exists()


def test_a_picture_of_that_name_in_the_library_is_moved_aside_not_replaced() -> None:
    from PIL import Image

    paths.embeddings_folder().mkdir(parents=True)
    mine = paths.embeddings_folder() / "zork.png"
    write_png(mine, Image.new("RGB", (8, 8), (200, 3, 3)), {})
    before = mine.read_bytes()
    trained(short(saving__formats=["safetensors", "png"]))
    kept = paths.embeddings_folder() / "zork.before-step-3.png"
    assert kept.read_bytes() == before
    assert read_embedding(mine).step == 3


async def test_what_another_run_has_put_there_since_is_kept() -> None:
    first = await asyncio.to_thread(trained, short())  # of a name that was free when it began
    result = paths.embeddings_folder() / "zork.safetensors"
    write_embedding(result, replace(read_embedding(result), step=300))
    others = result.read_bytes()
    assert await resumed_here(first, steps=5) == 0
    kept = paths.embeddings_folder() / "zork.before-step-5.safetensors"
    assert kept.read_bytes() == others
    assert read_embedding(result).step == 5
    assert "embedding-kept" in [event.get("code") for event in read_all(first.folder.events)]
    assert await resumed_here(first, steps=7) == 0  # its own is replaced
    assert sorted(path.name for path in paths.embeddings_folder().iterdir()) == [kept.name, result.name]


async def test_what_it_was_told_to_replace_is_replaced_and_not_what_came_after() -> None:
    result = paths.embeddings_folder() / "zork.safetensors"
    await asyncio.to_thread(trained, short())
    run = await asyncio.to_thread(trained, short(training__seed=9, embedding__overwrite=True))
    assert list(paths.embeddings_folder().iterdir()) == [result]
    write_embedding(result, replace(read_embedding(result), step=300))
    assert await resumed_here(run, steps=5) == 0
    assert read_embedding(paths.embeddings_folder() / "zork.before-step-5.safetensors").step == 300


@pytest.mark.parametrize("asked", [{"embedding__overwrite": True}, {"embedding__continue_from": "zork"}])
@pytest.mark.parametrize("was_there", [True, False])
def test_what_another_run_put_there_while_it_trained_is_kept_whatever_it_was_told_to_replace(
    asked: dict[str, Any], was_there: bool, tmp_path: Path
) -> None:
    first = paths.embeddings_folder() / "zork.safetensors"
    trained(short())
    held = read_embedding(first)
    if not was_there:
        first.rename(tmp_path / "zork.safetensors")
        asked = {key: True if value is True else f"{tmp_path}/zork.safetensors" for key, value in asked.items()}
    folder = make_run(plan_run(short(training__seed=9, **asked), Path.cwd()))
    write_embedding(first, replace(held, step=300))
    others = first.read_bytes()
    assert train_here(folder) == 0
    kept = paths.embeddings_folder() / "zork.before-step-3.safetensors"
    assert kept.read_bytes() == others
    assert first.read_bytes() != others
    (told,) = [event for event in read_all(folder.events) if event.get("code") == "embedding-kept"]
    assert kept.name in told["message"]


@pytest.mark.parametrize("asked", [{"embedding__overwrite": True}, {"embedding__continue_from": "zork"}])
def test_what_was_there_when_it_began_is_replaced_in_every_format_as_was_asked(asked: dict[str, Any]) -> None:
    trained(short(saving__formats=["safetensors", "pt"]))
    before = {path.name: path.read_bytes() for path in paths.embeddings_folder().iterdir()}
    run = trained(short(training__seed=9, saving__formats=["safetensors", "pt"], **asked))
    after = {path.name: path.read_bytes() for path in paths.embeddings_folder().iterdir()}
    assert set(after) == set(before) == {"zork.safetensors", "zork.pt"}
    assert all(after[name] != before[name] for name in after)
    assert not [event for event in read_all(run.folder.events) if event.get("code") == "embedding-kept"]


def test_a_result_of_another_format_is_what_its_name_finds() -> None:
    shelf = paths.embeddings_folder()
    create(init_text="red star", vectors=2)
    run = trained(short(saving__formats=["pt"], saving__embedding_every=2))
    assert find(shelf, "zork") == shelf / "zork.pt"
    assert read_embedding(shelf / "zork.before-step-3.safetensors").step == 0
    (told,) = [event for event in read_all(run.folder.events) if event.get("code") == "embedding-kept"]
    assert "zork.safetensors hid the result" in told["message"]

    use_copy(run.folder, "2")
    assert find(shelf, "zork") == shelf / "zork.pt"
    assert read_embedding(shelf / "zork.pt").step == 2
    assert asyncio.run(resumed_here(run, steps=5)) == 0
    assert find(shelf, "zork") == shelf / "zork.pt"
    assert read_embedding(shelf / "zork.pt").step == 5
    assert read_embedding(shelf / "zork.before-step-5.pt").step == 2


def test_a_run_goes_on_from_one_of_several_in_another_tools_file(tmp_path: Path) -> None:
    import torch

    torch.save({"<cat>": torch.ones(64), "<dog>": torch.full((3, 64), 0.1)}, tmp_path / "two.bin")
    trained(short(embedding__continue_from=f"{tmp_path}/two.bin#<dog>"))
    held = read_embedding(paths.embeddings_folder() / "zork.safetensors")
    assert (held.count, held.history["recipe"]["embedding"]["continue_from"]) == (3, "two.bin#<dog>")


def test_an_embedding_a1111_created_is_the_one_that_is_trained() -> None:
    import numpy as np

    paths.embeddings_folder().mkdir(parents=True)
    made = Embedding("zork", {"emb_params": np.full((4, 64), 0.01, np.float32)}, 0)
    write_embedding(paths.embeddings_folder() / "zork.pt", made, FORMATS["pt"])
    run = trained(short())
    held = read_embedding(paths.embeddings_folder() / "zork.safetensors")
    assert (run.folder.name, held.count, held.step) == ("zork", 4, 3)


def test_the_recipe_in_the_file_can_be_read_as_json() -> None:
    held, header = result()
    text = json.loads(header.rsplit("\n", 1)[0])["__metadata__"]["tinv"]
    assert json.loads(text)["history"] == held.history
