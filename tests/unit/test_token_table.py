"""Token rows of each kind of base model: what an embedding's vectors start from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.checkpoints import ldm_state, make_parts, with_ema, write_single_file
from tests.model_files import NARROW
from tests.unit.test_families import SD15, make_model
from tinv_tui.errors import InputError
from tinv_tui.models import token_table
from tinv_tui.models.families import SD1, SD2, SDXL, Family
from tinv_tui.models.identify import identify
from tinv_tui.models.token_table import read_token_rows

Make = Callable[[Family], dict[str, dict[str, torch.Tensor]]]
IDS = [5, 0, 5, 499]


@pytest.fixture
def parts() -> Make:
    def made(family: Family) -> dict[str, dict[str, torch.Tensor]]:
        torch.manual_seed(5)
        return {name: dict(module.state_dict()) for name, module in make_parts(NARROW[family]).items()}

    return made


def table(part: dict[str, torch.Tensor]) -> np.ndarray:
    (rows,) = (tensor for name, tensor in part.items() if name.endswith("token_embedding.weight"))
    return rows.numpy()


@pytest.mark.parametrize("family", [SD1, SD2, SDXL], ids=lambda family: family.name)
@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
def test_rows_of_a_single_file_are_its_encoders_side_by_side(
    tmp_path: Path, parts: Make, family: Family, suffix: str
) -> None:
    made = parts(family)
    write_single_file(tmp_path / f"model{suffix}", with_ema(ldm_state(family, made)), dtype=torch.float16)
    model = identify(f"model{suffix}", tmp_path)
    rows = read_token_rows(model, IDS)
    assert (rows.shape, rows.dtype) == ((4, model.width), np.float32)
    expected = np.concatenate([table(made[encoder.folder])[IDS] for encoder in family.encoders], axis=1)
    assert np.array_equal(rows, expected.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_rows_of_an_sdxl_folder_are_its_two_encoders_side_by_side(tmp_path: Path, parts: Make, weights: str) -> None:
    made = parts(SDXL)
    files = {f"{part}/config.json": config for part, config in NARROW[SDXL].items()}
    files |= {"scheduler/scheduler_config.json": {}, "model_index.json": {"_class_name": "StableDiffusionXLPipeline"}}
    folder = make_model(tmp_path / "xl", files)
    for encoder in SDXL.encoders:
        state = {name: tensor.contiguous() for name, tensor in made[encoder.folder].items()}
        (folder / encoder.folder / "model.safetensors").unlink(missing_ok=True)
        if weights.endswith(".bin"):
            torch.save(state, folder / encoder.folder / weights)
        else:
            save_file(state, folder / encoder.folder / weights)
    model = identify("xl", tmp_path)
    expected = np.concatenate([table(made[encoder.folder])[IDS] for encoder in SDXL.encoders], axis=1)
    assert np.array_equal(read_token_rows(model, IDS), expected)


def test_a_token_that_a_file_does_not_have_is_an_error(tmp_path: Path, parts: Make) -> None:
    write_single_file(tmp_path / "model.safetensors", ldm_state(SD1, parts(SD1)))
    with pytest.raises(InputError, match="its token table has 500 rows"):
        read_token_rows(identify("model.safetensors", tmp_path), [500])


def test_a_table_of_another_width_than_the_configuration_says_is_an_error(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model", SD15)
    weights = folder / "text_encoder" / "model.safetensors"
    save_file({"text_model.embeddings.token_embedding.weight": torch.ones(9, 64)}, weights)
    with pytest.raises(InputError, match="is 64 wide, its configuration says 768"):
        read_token_rows(identify("model", tmp_path), [1])


def test_a_table_that_claims_to_be_very_wide_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_model(tmp_path / "model", SD15)
    weights = folder / "text_encoder" / "model.safetensors"
    save_file({"text_model.embeddings.token_embedding.weight": torch.ones(9, 64)}, weights)
    model, read = identify("model", tmp_path), list[object]()
    monkeypatch.setattr(token_table, "read_rows", lambda *told: read.append(told))
    with pytest.raises(InputError, match="is 64 wide"):
        read_token_rows(model, [1])
    assert not read


def test_rows_are_of_the_file_that_is_loaded_whatever_lies_beside_it(tmp_path: Path) -> None:
    text = SD15["text_encoder/config.json"] | {"hidden_size": 4}
    folder = make_model(tmp_path / "model", SD15 | {"text_encoder/config.json": text}) / "text_encoder"
    for number, name in enumerate(("model", "model.fp16", "model.non_ema", "averaged")):
        table = torch.full((9, 4), float(number))
        save_file({"text_model.embeddings.token_embedding.weight": table}, folder / f"{name}.safetensors")
    assert read_token_rows(identify("model", tmp_path), [1]).tolist() == [[0, 0, 0, 0]]
