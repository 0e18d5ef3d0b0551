"""What is wrong with a model is said before anything is read, and what does not matter is passed over."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.checkpoints import write_single_file
from tests.loaded_models import CPU, base_of, differing, load, parts_of, random_folders, state_of, stock_parts
from tinv_tui.errors import InputError
from tinv_tui.models.families import SD1, Family
from tinv_tui.models.loading import load_model


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Family, Path]:
    return random_folders(tmp_path_factory)


def edited(folders: dict[Family, Path], tmp_path: Path, change: Any) -> Path:
    state = state_of(folders[SD1], SD1)
    change(state)
    return write_single_file(tmp_path / "model.safetensors", state)


def test_missing_weights_are_named(folders: dict[Family, Path], tmp_path: Path) -> None:
    def change(state: dict[str, torch.Tensor]) -> None:
        for kind in ("weight", "bias"):
            del state[f"model.diffusion_model.input_blocks.3.0.op.{kind}"]

    with pytest.raises(
        InputError, match=r"lacks 2 of the \d+ weights of its UNet: input_blocks.3.0.op.weight"
    ) as error:
        load(edited(folders, tmp_path, change), SD1)
    assert error.value.code == "model-broken"


def test_weights_that_have_no_place_are_named(folders: dict[Family, Path], tmp_path: Path) -> None:
    def change(state: dict[str, torch.Tensor]) -> None:
        state["model.diffusion_model.input_blocks.1.1.adapter.weight"] = torch.zeros(1)

    with pytest.raises(InputError, match="no place in one of its family: input_blocks.1.1.adapter.weight") as error:
        load(edited(folders, tmp_path, change), SD1)
    assert error.value.code == "model-unsupported"


def test_a_wrong_shape_is_told_with_both_shapes(folders: dict[Family, Path], tmp_path: Path) -> None:
    def change(state: dict[str, torch.Tensor]) -> None:
        state["model.diffusion_model.out.2.bias"] = torch.zeros(9)

    with pytest.raises(InputError, match="out.2.bias of its UNet is 9, where 4 is needed"):
        load(edited(folders, tmp_path, change), SD1)


def test_what_a_training_file_carries_along_does_not_matter(folders: dict[Family, Path], tmp_path: Path) -> None:
    def change(state: dict[str, torch.Tensor]) -> None:
        state |= {
            "alphas_cumprod": torch.zeros(1000),
            "first_stage_model.loss.logvar": torch.zeros(1),
            "cond_stage_model.logit_scale": torch.zeros(()),
            "v_pred": torch.zeros(0),
        }

    path = edited(folders, tmp_path, change)
    assert differing(parts_of(load(path, SD1)), stock_parts(folders[SD1], SD1)) == []


def test_a_checkpoint_of_lightning_is_read_and_a_program_refused(
    folders: dict[Family, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "pytorch_lightning.callbacks.model_checkpoint"
    module = types.ModuleType(name)
    module.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": name})  # type: ignore[attr-defined]
    for package in ("pytorch_lightning", "pytorch_lightning.callbacks", name):
        monkeypatch.setitem(sys.modules, package, module)
    state = state_of(folders[SD1], SD1)
    lightning = {"state_dict": state, "callbacks": {module.ModelCheckpoint: {"best": 1.0}}, "epoch": 3}  # type: ignore[attr-defined]
    torch.save(lightning, tmp_path / "model.ckpt")
    assert differing(parts_of(load(tmp_path / "model.ckpt", SD1)), stock_parts(folders[SD1], SD1)) == []

    torch.save({"state_dict": state, "hook": shutil.rmtree}, tmp_path / "model.ckpt")
    with pytest.raises(InputError, match="shutil.rmtree"):
        load(tmp_path / "model.ckpt", SD1)


def test_a_model_without_a_vae_asks_for_one(folders: dict[Family, Path], tmp_path: Path) -> None:
    components = {part: c for part, c in base_of(tmp_path, SD1).components.items() if part != "vae"}
    path = write_single_file(tmp_path / "model.safetensors", state_of(folders[SD1], SD1))
    with pytest.raises(InputError, match="holds no VAE"):
        load_model(base_of(path, SD1, components=components), CPU, torch.float32)
