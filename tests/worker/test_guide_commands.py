"""The whole of the guide by the command line: every step answers in JSON what the next one needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from tests.captioners import save_blip
from tests.photos import photographs
from tinv_tui.embeddings.files import read_embedding
from tinv_tui.models import bundled


def answer(*arguments: str, code: int = 0) -> dict[str, Any]:
    """The one JSON object a command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tinv_tui", *arguments, "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    content = json.loads(done.stdout)
    assert isinstance(content, dict)
    return content


@pytest.mark.long
def test_the_guide_from_top_to_bottom_by_commands(tmp_path: Path) -> None:
    source, dataset = photographs(tmp_path / "photos"), tmp_path / "dataset"
    blip = save_blip(tmp_path / "blip")

    created = answer("create", "my-dog", "--init-text", "a dog", "--vectors", "2", "--model", "bundled")
    assert (created["name"], created["vectors"], created["family"]) == ("my-dog", 2, "SD1")

    size = ("--width", "64", "--height", "64")
    made = answer("preprocess", str(source), str(dataset), *size, "--blip", "--blip-model", str(blip))
    assert (len(made["written"]), made["skipped"]) == (10, [])
    assert all(Path(one["image"]).is_file() and Path(one["caption"]).read_text() for one in made["written"])

    checked = answer("check", str(dataset), "--model", "bundled", *size)
    assert checked["images"] == 10
    assert "too-few" not in {problem["code"] for problem in checked["problems"]}

    recipe = tmp_path / "my-dog.toml"
    recipe.write_text(
        f'[model]\npath = "bundled"\n[embedding]\nname = "my-dog"\n[dataset]\npath = "{dataset}"\n'
        '[training]\nsteps = 100\nlearning_rate = "0.005:50, 0.002"\nseed = 3\n'
        '[saving]\nembedding_every = 50\nimage_every = 50\n[preview]\nsteps = 4\nprompts = ["a photo of [name]"]\n'
    )
    planned = answer("plan", str(recipe))
    assert planned["schedule"] == [
        {"rate": 0.005, "first": 1, "last": 50},
        {"rate": 0.002, "first": 51, "last": 100},
    ]
    assert planned["tokens"] == {"vectors": 2, "left": 73}

    trained = answer("train", str(recipe), "--headless")
    assert (trained["state"], trained["steps"]) == ("finished", 100)
    run = Path(trained["run"])
    for folder, ending in (("embeddings", "safetensors"), ("images", "png"), ("image_embeddings", "png")):
        assert sorted(f.name for f in (run / folder).iterdir()) == [f"my-dog-{n}.{ending}" for n in (100, 50)]

    used = answer("use", "my-dog", "50")
    copy = read_embedding(run / "embeddings" / "my-dog-50.safetensors").vectors["emb_params"]
    assert np.array_equal(read_embedding(Path(used["path"])).vectors["emb_params"], copy)

    drawn = answer("generate", "a photo of my-dog", "--model", "bundled", "--steps", "4")
    assert [image["with_embedding"] for image in drawn["images"]] == [True, False]

    torch.set_num_threads(1)
    pipe = StableDiffusionPipeline.from_pretrained(bundled.FOLDER, dtype=torch.float32, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    pipe.load_textual_inversion(used["path"], token="my-dog")
    rows = pipe.text_encoder.get_input_embeddings().weight
    loaded = rows[pipe.tokenizer.convert_tokens_to_ids(["my-dog", "my-dog_1"])].detach().numpy()
    assert np.array_equal(loaded, copy)
