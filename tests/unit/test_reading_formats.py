"""Every format of other tools is read, by what is in the file, and what is no embedding is told for what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from tests.embedding_files import rows, tensor
from tinv_tui.embeddings.files import read_embedding
from tinv_tui.errors import InputError


def save(path: Path, value: Any) -> Path:
    """As the tool would: ``.pt``, ``.bin`` by torch, the others as safetensors."""
    if path.suffix in (".pt", ".bin"):
        torch.save(value, path)
    else:
        safetensors.torch.save_file(value, path)
    return path


def refused(path: Path, term: str = "") -> InputError:
    with pytest.raises(InputError) as caught:
        read_embedding(path, term)
    assert str(path) in caught.value.message
    return caught.value


def a1111_dict(params: Any, **more: Any) -> dict[str, Any]:
    return {"string_to_token": {"*": 265}, "string_to_param": params, "name": "inside", **more}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a1111s_own_file_tells_step_and_model_and_is_called_by_its_file(tmp_path: Path, zipped: bool) -> None:
    held = a1111_dict(
        {"*": tensor().requires_grad_()}, step=1500, sd_checkpoint="cc6cb27103", sd_checkpoint_name="v1-5"
    )
    torch.save(held, tmp_path / "cat.pt", _use_new_zipfile_serialization=zipped)
    read = read_embedding(tmp_path / "cat.pt")
    assert (read.name, read.step, read.base_model, read.base_model_hash) == ("cat", 1500, "v1-5", "cc6cb27103")
    assert (read.family, read.format) == ("SD1", "A1111 .pt")
    assert np.array_equal(read.vectors["emb_params"], rows())


def test_the_original_repositorys_file_has_a_parameter_dict_and_tensors_for_tokens(tmp_path: Path) -> None:
    params = torch.nn.ParameterDict({"*": torch.nn.Parameter(tensor())})
    held = {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": params}
    assert np.array_equal(read_embedding(save(tmp_path / "a.pt", held)).vectors["emb_params"], rows())


def test_a_file_of_2022_keeps_the_models_hash_under_another_key(tmp_path: Path) -> None:
    read = read_embedding(save(tmp_path / "a.pt", a1111_dict({"*": tensor()}, hash="7460a6fa")))
    assert (read.base_model_hash, read.step) == ("7460a6fa", None)


ONE_TENSOR = [
    ("learned_embeds.bin", "<cat-toy>", "<cat-toy>", "diffusers .bin"),
    ("learned_embeds.safetensors", "<cat-toy>", "<cat-toy>", "diffusers"),
    ("a.pt", "emb_params", "a", "torch"),
    ("a.safetensors", "emb_params", "a", "safetensors"),
    ("a.safetensors", "emp_params", "a", "OneTrainer"),
    ("a.safetensors", "clip_l", "a", "safetensors"),
]


@pytest.mark.parametrize("flat", [True, False], ids=["1-D", "2-D"])
@pytest.mark.parametrize(("file", "key", "name", "form"), ONE_TENSOR)
def test_a_single_tensor_is_an_embedding_under_any_name(
    tmp_path: Path, file: str, key: str, name: str, form: str, flat: bool
) -> None:
    held = tensor(1)[0].clone() if flat else tensor(1)
    read = read_embedding(save(tmp_path / file, {key: held}))
    assert (read.name, read.format, read.family) == (name, form, "SD1")
    assert np.array_equal(read.vectors["emb_params"], rows(1))


def test_a_bare_tensor_is_an_embedding_too(tmp_path: Path) -> None:
    assert read_embedding(save(tmp_path / "a.pt", tensor(3, 1024))).family == "SD2"


@pytest.mark.parametrize("file", ["a.safetensors", "a.pt", "a.bin"])
def test_sdxl_has_two_tensors_in_any_container(tmp_path: Path, file: str) -> None:
    read = read_embedding(save(tmp_path / file, {"clip_g": tensor(2, 1280), "clip_l": tensor()}))
    assert (read.family, list(read.vectors), read.count) == ("SDXL", ["clip_l", "clip_g"], 2)
    assert np.array_equal(read.vectors["clip_g"], rows(2, 1280))


@pytest.mark.parametrize("as_safetensors", [True, False])
def test_replicates_file_is_sdxl_in_either_container(tmp_path: Path, as_safetensors: bool) -> None:
    held = {"text_encoders_0": tensor().half(), "text_encoders_1": tensor(2, 1280).half()}
    path = tmp_path / "embeddings.pti"
    safetensors.torch.save_file(held, path) if as_safetensors else torch.save(held, path)
    read = read_embedding(path)
    assert (read.family, read.format) == ("SDXL", "replicate .pti")
    assert np.array_equal(read.vectors["clip_l"], rows().astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("key", ["emp_params", "emb_params"])
def test_onetrainers_output_side_is_left_out_and_said(tmp_path: Path, key: str) -> None:
    read = read_embedding(save(tmp_path / "a.safetensors", {key: tensor(), f"{key}_out": tensor(2)}))
    assert (list(read.vectors), read.details) == (["emb_params"], {"left_out": "emb_params_out"})
    alone = read_embedding(save(tmp_path / "b.safetensors", {f"{key}_out": tensor()}))
    assert (list(alone.vectors), alone.family) == (["emb_params_out"], None)


@pytest.mark.parametrize(
    ("keys", "family"),
    [
        (("clip_l", "clip_g", "t5"), "SD3"),
        (("clip_l", "t5"), "Flux"),
        (("clip_l", "t5xxl"), "Flux"),
        (("clip_g",), None),
    ],
)
def test_embeddings_of_later_families_are_named_for_what_they_are(
    tmp_path: Path, keys: tuple[str, ...], family: str | None
) -> None:
    widths = {"clip_l": 768, "clip_g": 1280, "t5": 4096, "t5xxl": 4096}
    read = read_embedding(save(tmp_path / "a.safetensors", {key: tensor(2, widths[key]) for key in keys}))
    assert (read.family, len(read.vectors)) == (family, len(keys))


def test_an_embedding_bundled_in_a_lora_is_found(tmp_path: Path) -> None:
    lora = {"lora_unet_x.lora_up.weight": tensor(4, 4)}
    one = {"bundle_emb.my.cat.string_to_param.*": tensor()}
    path = save(tmp_path / "lora.safetensors", lora | one)
    read = read_embedding(path)
    assert (read.name, read.format, read.family) == ("my.cat", "bundled in a LoRA", "SD1")
    two = {"bundle_emb.dog.clip_l": tensor(), "bundle_emb.dog.clip_g": tensor(2, 1280)}
    both = save(tmp_path / "two.safetensors", lora | one | two)
    assert "my.cat, dog" in refused(both).message or "dog, my.cat" in refused(both).message
    assert read_embedding(both, "dog").family == "SDXL"


@pytest.mark.parametrize("file", ["several.pt", "several.bin", "several.safetensors"])
def test_several_terms_are_listed_and_one_is_chosen(tmp_path: Path, file: str) -> None:
    terms = {"<cat>": tensor(1), "<dog>": tensor(3)}
    path = save(tmp_path / file, a1111_dict(terms) if file == "several.pt" else terms)
    error = refused(path)
    assert (error.code, "<cat>, <dog>" in error.message, "--term" in error.hint) == ("several-embeddings", True, True)
    assert f"{file}#" in error.hint
    read = read_embedding(path, "<dog>")
    assert (read.name, read.count) == ("<dog>", 3)
    assert refused(path, "<bird>").code == "term-missing"


def test_a_term_of_a_file_that_holds_one_is_that_one_or_an_error(tmp_path: Path) -> None:
    path = save(tmp_path / "cat.pt", a1111_dict({"*": tensor()}))
    assert read_embedding(path, "*").count == read_embedding(path, "cat").count == 2
    assert refused(path, "dog").code == "term-missing"


def test_what_a_file_is_called_does_not_matter_to_how_it_is_read(tmp_path: Path) -> None:
    safetensors.torch.save_file({"emb_params": tensor()}, tmp_path / "a.pt")
    torch.save({"emb_params": tensor()}, tmp_path / "b.safetensors")
    assert read_embedding(tmp_path / "a.pt").count == read_embedding(tmp_path / "b.safetensors").count == 2


NO_EMBEDDINGS = {
    "a LoRA": ["lora_unet_down_blocks_0.lora_down.weight", "lora_te_text_model_encoder.alpha"],
    "a LoRA ": ["unet.down_blocks.0.attn1.to_k.lora_A.weight", "unet.down_blocks.0.attn1.to_k.lora_B.weight"],
    "a base model": ["model.diffusion_model.input_blocks.0.0.weight", "cond_stage_model.logit", "first_stage_model.a"],
    "a VAE": ["encoder.down.0.block.0.norm1.weight", "decoder.up.0.block.0.norm1.weight"],
    "a VAE ": ["decoder.up_blocks.0.resnets.0.norm1.weight", "quant_conv.weight"],
    "a ControlNet": ["control_model.input_blocks.0.0.weight", "control_model.zero.weight"],
    "a UNet": ["down_blocks.0.resnets.0.norm1.weight", "time_embedding.linear_1.weight"],
    "a text encoder": ["text_model.embeddings.token_embedding.weight", "text_model.encoder.layers.0.x"],
    "an upscaler": ["model.0.weight", "model.1.weight"],
    "an extended inversion": ["IN01", "MID", "OUT03"],
    "2 tensors of an unknown kind": ["something", "else"],
}


@pytest.mark.parametrize("file", ["a.safetensors", "a.pt"])
@pytest.mark.parametrize("what", NO_EMBEDDINGS)
def test_what_is_no_embedding_is_told_for_what_it_is(tmp_path: Path, what: str, file: str) -> None:
    held = {key: torch.zeros(8, 8, 3) for key in NO_EMBEDDINGS[what]}
    path = save(tmp_path / file, {"state_dict": held} if what == "a base model" and file == "a.pt" else held)
    error = refused(path)
    assert (error.code, what.strip() in error.message) == ("not-an-embedding", True)


def test_one_tensor_is_one(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pt", {"inside": {"something": torch.zeros(8, 8, 3)}})
    assert "1 tensor of an unknown kind" in refused(path).message


def test_a_hypernetwork_and_an_optimisers_state_are_told_too(tmp_path: Path) -> None:
    held = {320: ({"0.weight": tensor(4, 4)}, {"0.weight": tensor(4, 4)}), "name": "anime", "step": 5}
    assert "a hypernetwork" in refused(save(tmp_path / "a.pt", held)).message
    state = {"hash": "c3c8", "optimizer_state_dict": {"state": {0: {"exp_avg": tensor()}}, "param_groups": []}}
    assert "optimiser's state" in refused(save(tmp_path / "b.pt", state)).message
    (tmp_path / "a.pt.optim").touch()
    assert "optimiser's state" in refused(tmp_path / "a.pt.optim").message
