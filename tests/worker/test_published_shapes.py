"""Single files with the published models' widths, fewer layers of them, are trained on offline.

The full depth changes nothing but the time; it is recognised from true headers in tests/unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.checkpoints import ldm_state, meta_parts, write_single_file
from tests.worker.helpers import recipe, trained
from tinv_tui.embeddings.files import read_embedding
from tinv_tui.models.families import SD1, SD2, SDXL, Family
from tinv_tui.models.published import published_configs
from tinv_tui.runs.events import read_all

STEPS = 3


def cut(family: Family) -> dict[str, dict[str, Any]]:
    """The published configurations, all widths kept, with as few layers as the layout can say."""
    configs = {part: dict(config) for part, config in published_configs(family).items()}
    configs["unet"] |= {"layers_per_block": 1}
    if isinstance(configs["unet"].get("transformer_layers_per_block"), list):
        configs["unet"]["transformer_layers_per_block"] = [1] * len(configs["unet"]["block_out_channels"])
    configs["vae"] |= {"layers_per_block": 1}
    for encoder in family.encoders:
        configs[encoder.folder]["num_hidden_layers"] = 3
    return configs


def with_numbers(shapes: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Small random fp16 weights; norms scale by one, as untrained ones do."""
    block = torch.from_numpy(np.random.default_rng(3).normal(0, 0.02, 1_000_003).astype(np.float16))
    state = {}
    for name, shape in shapes.items():
        if shape.ndim == 1:
            state[name] = torch.full(shape.shape, 1.0 if name.endswith("weight") else 0.0, dtype=torch.float16)
        else:
            state[name] = block.repeat(-(-shape.numel() // len(block)))[: shape.numel()].view(shape.shape)
    return state


@pytest.mark.long
@pytest.mark.parametrize(
    ("family", "kind", "tensors"),
    [
        (SD1, "auto", {"emb_params": (2, 768)}),
        (SD2, "v_prediction", {"emb_params": (2, 1024)}),
        (SDXL, "auto", {"clip_l": (2, 768), "clip_g": (2, 1280)}),
    ],
    ids=["SD1", "SD2 v", "SDXL"],
)
def test_a_file_of_published_widths_is_trained_on(
    tmp_path: Path, family: Family, kind: str, tensors: dict[str, tuple[int, int]]
) -> None:
    shapes = ldm_state(family, meta_parts(cut(family)))
    file = write_single_file(tmp_path / "base.safetensors", with_numbers(shapes))
    asked = recipe(
        model__path=str(file),
        model__prediction_type=kind,
        embedding__vectors=2,
        dataset__width=64,
        dataset__height=64,
        training__steps=STEPS,
        training__evaluation_samples=0,
        saving__image_every=0,
    )
    ended = read_all(trained(asked).folder.events)[-1]
    made = read_embedding(Path(ended["embedding"]))
    assert {name: rows.shape for name, rows in made.vectors.items()} == tensors
    assert (made.family, made.base_model, made.step) == (family.name, "base", STEPS)
    file.unlink()
