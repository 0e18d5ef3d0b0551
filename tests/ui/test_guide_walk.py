"""The whole of the guide in the app, in a real tmux, by keys alone: create, preprocess, train, and use what came out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from tests.captioners import save_blip
from tests.photos import photographs
from tests.ui.tmux import Tmux
from tinv_tui import paths
from tinv_tui.app.creation_checks import ROWS as CREATE_ROWS
from tinv_tui.app.fields import ROWS as TRAIN_ROWS
from tinv_tui.app.fields import Rows, fields_of
from tinv_tui.app.preprocess_fields import PREPROCESS_ROWS
from tinv_tui.datasets.pictures import list_pictures
from tinv_tui.embeddings.files import read_embedding
from tinv_tui.models import bundled
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.folder import all_runs

pytestmark = [
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
    pytest.mark.timeout(300),
]


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    server = Tmux(tmp_path / "tmux")
    yield server
    server.close()


def fill_in(tmux: Tmux, rows: Rows, values: Mapping[str, str], *, first: str) -> None:
    """From the field ``first`` on, go on with tab; type where there is a value, in place of what stood there."""
    keys = list(fields_of(rows))
    for key in keys[keys.index(first) :]:
        if key in values:
            tmux.keys(*(["Left"] if values[key] == "Left" else ["C-u", values[key]]))
        if values.keys() <= set(keys[: keys.index(key) + 1]):
            return
        tmux.keys("Tab")


@pytest.mark.long
def test_the_guide_from_top_to_bottom_by_keys(tmux: Tmux, tmp_path: Path) -> None:
    source, dataset = photographs(tmp_path / "photos"), tmp_path / "dataset"
    blip = save_blip(tmp_path / "blip")
    tmux.open(120, 36)
    tmux.until("Welcome to tinv-tui")
    tmux.keys("Escape")
    tmux.until_gone("Welcome to tinv-tui")  # a letter right behind an escape would be one key with it
    tmux.until("74 of 75 tokens left")

    tmux.keys("F3")  # Create embedding
    tmux.until("What it starts from")
    created = {"embedding.name": "my-dog", "model.path": "bundled", "embedding.vectors": "2"}
    created["embedding.init_text"] = "a dog"
    fill_in(tmux, CREATE_ROWS, created, first="embedding.name")
    tmux.until("73 of 75 tokens left")
    tmux.keys("C-s")
    tmux.until("my-dog.safetensors is created")
    assert (read_embedding(paths.embeddings_folder() / "my-dog.safetensors").step) == 0

    tmux.keys("F4")  # Preprocess images; mirror images are ticked, as the guide has it
    tmux.until("What will be written")
    wanted = {"preprocess.source": str(source), "preprocess.destination": str(dataset), "preprocess.width": "64"}
    wanted |= {"preprocess.height": "64", "preprocess.blip": "Left", "preprocess.blip_model": str(blip)}
    fill_in(tmux, PREPROCESS_ROWS, wanted, first="preprocess.source")
    tmux.until("5 pictures become 10")
    tmux.keys("C-s")
    tmux.until("destination and size are filled in")
    pictures = list_pictures(dataset)
    assert [(p.width, p.height) for p in pictures] == [(64, 64)] * 10
    assert all(p.caption for p in pictures)

    tmux.keys("F2")  # Train: embedding, model, dataset and size stand there already
    tmux.until("created: 2 vectors")
    trained = {"training.learning_rate": "0.005:100, 0.002", "training.steps": "200", "preview.steps": "4"}
    trained |= {"saving.embedding_every": "50", "saving.image_every": "50", "preview.prompts": "a photo of my-dog"}
    fill_in(tmux, TRAIN_ROWS, trained, first="embedding.name")
    tmux.until("✔ 10 pictures")
    tmux.keys("C-s")
    tmux.until("my-dog ● running")
    tmux.until("✔ finished", seconds=120)

    run = all_runs()[0]
    recipe = load_recipe(run.recipe)
    assert (recipe.dataset.path, recipe.dataset.width, recipe.embedding.vectors) == (str(dataset), 64, 2)
    for folder, ending in ((run.copies, "safetensors"), (run.images, "png"), (run.image_embeddings, "png")):
        assert sorted(f.name for f in folder.iterdir()) == [f"my-dog-{n}.{ending}" for n in (100, 150, 200, 50)]
    rows = run.losses.read_text().splitlines()[1:]
    assert [float(rows[step - 1].split(",")[4]) for step in (1, 100, 101, 200)] == [0.005, 0.005, 0.002, 0.002]

    result = paths.embeddings_folder() / "my-dog.safetensors"
    carried = read_embedding(run.image_embeddings / "my-dog-200.png")
    assert np.array_equal(carried.vectors["emb_params"], read_embedding(result).vectors["emb_params"])
    torch.set_num_threads(1)
    pipe = StableDiffusionPipeline.from_pretrained(bundled.FOLDER, dtype=torch.float32, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    pipe.load_textual_inversion(result, token="my-dog")
    image = pipe("a photo of my-dog", num_inference_steps=4).images[0]
    assert isinstance(image, Image.Image)
    assert np.asarray(image).std() > 3
