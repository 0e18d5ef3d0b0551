"""Training on a single file is training on the diffusers folder of the same weights, to the last byte."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

from tests.checkpoints import ldm_state, make_parts, write_single_file
from tests.model_files import NARROW
from tests.worker.helpers import Onlooker, make_job, recipe, trained, weights_hash
from tinv_tui import paths
from tinv_tui.embeddings.files import read_embedding
from tinv_tui.models.families import FAMILIES, SD1, Family
from tinv_tui.models.published import FOLDER, tokenizer_folders
from tinv_tui.recipe import Recipe
from tinv_tui.runs.events import read_all
from tinv_tui.sections import PreviewSection
from tinv_tui.training.loop import train
from tinv_tui.training.previews import draw_preview

EACH_FAMILY = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def both_layouts(folder: Path, family: Family, ending: str = "safetensors") -> tuple[Path, Path]:
    """A small random model as a diffusers folder and as a single file."""
    configurations = dict(NARROW[family])
    for encoder in family.encoders:
        configurations[encoder.folder] = configurations[encoder.folder] | {"vocab_size": 49408}
    torch.manual_seed(4)
    parts = make_parts(configurations)
    for part, module in parts.items():
        module.save_pretrained(folder / "model" / part)
    config = configurations["scheduler"] | {"prediction_type": "epsilon"}
    (folder / "model" / "scheduler").mkdir()
    (folder / "model" / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    (folder / "model" / "model_index.json").write_text(json.dumps({"_class_name": family.pipeline}))
    for encoder, pads in zip(family.encoders, tokenizer_folders(family), strict=True):
        shutil.copytree(pads, folder / "model" / encoder.tokenizer)
        for name in ("vocab.json", "merges.txt"):
            shutil.copy(FOLDER / "tokenizer" / name, folder / "model" / encoder.tokenizer)
    state = ldm_state(family, {part: module.state_dict() for part, module in parts.items()})
    return folder / "model", write_single_file(folder / f"model.{ending}", state)


def short(model: Path, **changes: object) -> Recipe:
    size = {"dataset__width": 64, "dataset__height": 64}
    kind = {"model__prediction_type": "epsilon"}
    return recipe(model__path=str(model), training__steps=4, **size, **kind, **changes)


@EACH_FAMILY
def test_vectors_come_out_the_same_and_no_weight_changes(tmp_path: Path, family: Family) -> None:
    rows, hashes = [], []
    for path in both_layouts(tmp_path, family):
        job, state = make_job(tmp_path, short(path))
        before = weights_hash(job)
        train(job, state, Onlooker())
        assert weights_hash(job) == before
        rows.append(state.vectors)
        hashes.append(before)
    assert torch.equal(*rows)
    assert hashes[0] == hashes[1]


def test_a_preview_is_drawn_by_the_tiny_vae_that_the_recipe_names(tmp_path: Path) -> None:
    _, file = both_layouts(tmp_path, SD1)
    levels = {"num_encoder_blocks": [1, 1], "num_decoder_blocks": [1, 1]}
    widths = {"encoder_block_out_channels": [8, 8], "decoder_block_out_channels": [8, 8]}
    AutoencoderTiny(**levels, **widths).save_pretrained(tmp_path / "taesd")
    pictures = []
    for tiny in ("", str(tmp_path / "taesd")):
        job, state = make_job(tmp_path, short(file, preview__tiny_vae=tiny))
        settings = PreviewSection(steps=2)
        pictures.append(
            draw_preview(job.model, job.encoder, job.prompts, state.vectors, "a [name]", settings, (64, 64), 1)
        )
    assert pictures[0].size == pictures[1].size == (64, 64)
    assert pictures[0].tobytes() != pictures[1].tobytes()


def test_a_run_on_a_checkpoint_tells_how_far_loading_is(tmp_path: Path) -> None:
    _, file = both_layouts(tmp_path, SD1, "ckpt")
    run = trained(short(file))
    assert read_embedding(paths.embeddings_folder() / "zork.safetensors").base_model == "model"
    events = read_all(run.folder.events)
    loading = [(e["done"], e["total"]) for e in events if e["kind"] == "phase" and e["name"] == "loading"]
    assert loading[-1][0] == loading[-1][1] > 1
