"""Embedding files, ours and other tools', and pictures that carry one."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from numpy.typing import NDArray
from PIL import Image

from tinv_tui.embeddings.cards import CHUNK, write_card, write_png
from tinv_tui.embeddings.files import Embedding, read_embedding, write_embedding
from tinv_tui.errors import InputError


def rows(vectors: int = 2, width: int = 768) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((vectors, width)).astype(np.float32)


def save(path: Path, tensors: dict[str, NDArray[Any]], metadata: dict[str, str] | None = None) -> Path:
    path.write_bytes(safetensors.numpy.save(tensors, metadata=metadata))
    return path


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_embedding(path)
    assert str(path) in caught.value.message
    return caught.value


def test_an_embedding_reads_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "my cat é.safetensors"
    written = Embedding("my cat é", {"emb_params": rows()}, 500, "sd-v1-5", details={"seed": "3"})
    write_embedding(path, written)
    read = read_embedding(path)
    assert (read.name, read.step, read.base_model, read.family) == ("my cat é", 500, "sd-v1-5", "SD1")
    assert (read.count, dict(read.details)) == (2, {"seed": "3"})
    assert read.vectors["emb_params"].tobytes() == rows().tobytes()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_file_is_one_fp32_tensor_called_emb_params(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_embedding(path, Embedding("a", {"emb_params": rows().astype(np.float64)}))  # type: ignore[dict-item]
    with safetensors.safe_open(path, framework="numpy") as file:
        tensor = file.get_tensor("emb_params")
        assert (list(file.keys()), tensor.dtype, tensor.shape) == (["emb_params"], np.float32, (2, 768))


def test_the_same_embedding_is_the_same_bytes(tmp_path: Path) -> None:
    details = {f"key {n}": str(n) for n in range(9)}
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        write_embedding(folder / "x.safetensors", Embedding("x", {"emb_params": rows()}, 1, "m", details=details))
    assert (tmp_path / "a" / "x.safetensors").read_bytes() == (tmp_path / "b" / "x.safetensors").read_bytes()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_not_finite_are_not_written_and_the_old_file_stays(tmp_path: Path, bad: float) -> None:
    path = tmp_path / "a.safetensors"
    write_embedding(path, Embedding("a", {"emb_params": rows()}))
    before, broken = path.read_bytes(), rows()
    broken[1, 5] = bad
    with pytest.raises(InputError, match="not finite"):
        write_embedding(path, Embedding("a", {"emb_params": broken}))
    assert path.read_bytes() == before


def test_norms_are_the_lengths_of_the_vectors() -> None:
    two = np.array([[3, 4], [0, 0]], dtype=np.float32)
    assert Embedding("a", {"emb_params": two}).norms == [5.0, 0.0]


@pytest.mark.parametrize(("width", "family"), [(768, "SD1"), (1024, "SD2"), (64, None), (2048, None)])
def test_the_family_of_a_file_is_told_by_its_width_where_one_has_it(
    tmp_path: Path, width: int, family: str | None
) -> None:
    assert read_embedding(save(tmp_path / "a.safetensors", {"emb_params": rows(1, width)})).family == family


def test_an_sdxl_file_has_two_tensors(tmp_path: Path) -> None:
    path = save(tmp_path / "a.safetensors", {"clip_g": rows(3, 1280), "clip_l": rows(3, 768)})
    read = read_embedding(path)
    assert (read.family, read.count, set(read.vectors)) == ("SDXL", 3, {"clip_l", "clip_g"})
    assert read.format == "safetensors (SDXL)"


def test_a_file_of_another_tool_is_named_after_the_file_and_tells_no_step(tmp_path: Path) -> None:
    path = save(tmp_path / "my.cat.safetensors", {"emb_params": rows()})
    read = read_embedding(path)
    assert (read.name, read.step, read.base_model, read.format) == (
        "my.cat",
        None,
        None,
        "safetensors",
    )


def test_a_kohya_file_tells_its_steps(tmp_path: Path) -> None:
    assert read_embedding(save(tmp_path / "a.safetensors", {"emb_params": rows()}, {"ss_steps": "1600"})).step == 1600


@pytest.mark.parametrize("step", ["", "many", "²", "-1", "1.5"])
def test_a_step_that_is_no_number_is_none(tmp_path: Path, step: str) -> None:
    assert read_embedding(save(tmp_path / "a.safetensors", {"emb_params": rows()}, {"ss_steps": step})).step is None


@pytest.mark.parametrize("header", ["{", "[]", "3", '{"step": null}'])
def test_a_damaged_header_of_ours_does_not_hide_the_vectors(tmp_path: Path, header: str) -> None:
    read = read_embedding(save(tmp_path / "a.safetensors", {"emb_params": rows()}, {"tinv": header}))
    assert (read.step, read.count) == (None, 2)


def test_a_diffusers_file_is_named_after_its_token(tmp_path: Path) -> None:
    read = read_embedding(save(tmp_path / "learned_embeds.safetensors", {"<cat-toy>": rows()[0]}))
    assert (read.name, read.vectors["emb_params"].shape) == ("<cat-toy>", (1, 768))


def test_half_precision_is_read_as_fp32(tmp_path: Path) -> None:
    half = rows().astype(np.float16)
    read = read_embedding(save(tmp_path / "a.safetensors", {"emb_params": half}))
    assert read.vectors["emb_params"].dtype == np.float32
    assert np.array_equal(read.vectors["emb_params"], half.astype(np.float32))


@pytest.mark.parametrize("shape", [(2, 3, 768), (49408, 16)])
def test_a_tensor_of_another_shape_is_no_embedding(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = save(tmp_path / "a.safetensors", {"emb_params": np.zeros(shape, dtype=np.float32)})
    assert refused(path).code == "not-an-embedding"


@pytest.mark.parametrize("content", [b"", b"x", b"not a safetensors file at all", struct.pack("<Q", 2**60) + b"{}"])
def test_a_file_that_is_no_safetensors_is_broken(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    assert refused(path).code == "embedding-broken"


def test_a_number_format_that_cannot_be_read_is_an_error_not_a_crash(tmp_path: Path) -> None:
    header = json.dumps({"emb_params": {"dtype": "F8_E4M3", "shape": [1, 768], "data_offsets": [0, 768]}}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(768))
    assert refused(path).code == "embedding-broken"


@pytest.mark.parametrize("kind", ["F64", "F16", "BF16"])
def test_every_number_format_in_use_is_read_as_fp32(tmp_path: Path, kind: str) -> None:
    numbers = np.array([1.0, -0.5, 0.25, 3.0] * 192)  # exact in each of them
    half = (numbers.astype("<f4").view("<u4") >> 16).astype("<u2")
    data = {"F64": numbers.astype("<f8"), "F16": numbers.astype("<f2"), "BF16": half}[kind].tobytes()
    header = json.dumps({"emb_params": {"dtype": kind, "shape": [1, 768], "data_offsets": [0, len(data)]}}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    assert read_embedding(path).vectors["emb_params"].tolist() == [numbers.tolist()]


def test_a_file_larger_than_any_embedding_is_not_read(tmp_path: Path) -> None:
    path = save(tmp_path / "model.safetensors", {"unet": np.zeros(17_000_000, np.float32)})
    assert refused(path).code == "not-an-embedding"


@pytest.mark.parametrize("name", ["a.txt", "a", "a.jpg"])
def test_a_file_of_another_format_is_refused_by_its_extension(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert refused(tmp_path / name).code == "embedding-format"


def test_a_file_that_is_not_there_or_a_folder_is_missing(tmp_path: Path) -> None:
    assert refused(tmp_path / "a.safetensors").code == "embedding-missing"
    (tmp_path / "b.safetensors").mkdir()
    assert refused(tmp_path / "b.safetensors").code == "embedding-missing"


def test_a_card_holds_what_a1111_expects_and_the_exact_vectors(tmp_path: Path) -> None:
    path = tmp_path / "cat-500.png"
    write_card(
        path, Image.new("RGB", (64, 64)), Embedding("cat-500", {"emb_params": rows()}, 500, "sd"), "a cat\nSteps: 20"
    )
    with Image.open(path) as image:
        texts = dict(image.text)  # type: ignore[attr-defined]
    content = json.loads(base64.b64decode(texts[CHUNK], validate=True))
    assert list(content) == [
        "string_to_token",
        "string_to_param",
        "name",
        "step",
        "sd_checkpoint",
        "sd_checkpoint_name",
    ]
    assert (content["string_to_token"], content["name"], content["step"]) == ({"*": 265}, "cat-500", 500)
    read = np.array(content["string_to_param"]["*"]["TORCHTENSOR"], dtype=np.float64).astype(np.float32)
    assert read.tobytes() == rows().tobytes()
    assert (CHUNK, texts["parameters"]) == ("sd-ti-embedding", "a cat\nSteps: 20")


def test_the_chunk_is_a_latin_text_chunk_which_every_reader_knows(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_card(path, Image.new("RGB", (8, 8)), Embedding("猫", {"emb_params": rows()}), "猫")
    assert b"tEXtsd-ti-embedding\x00" in path.read_bytes()


def test_an_sdxl_embedding_does_not_fit_a_card(tmp_path: Path) -> None:
    two = Embedding("a", {"clip_l": rows(), "clip_g": rows(2, 1280)})
    with pytest.raises(ValueError, match="one tensor"):
        write_card(tmp_path / "a.png", Image.new("RGB", (8, 8)), two, "")
    assert not (tmp_path / "a.png").exists()


def test_a_picture_keeps_its_pixels_and_texts_in_any_script(tmp_path: Path) -> None:
    image = Image.effect_noise((32, 32), 60).convert("RGB")
    write_png(tmp_path / "a.png", image, {"parameters": "a 猫, café\nSteps: 20"})
    with Image.open(tmp_path / "a.png") as read:
        assert (read.tobytes(), read.text["parameters"]) == (image.tobytes(), "a 猫, café\nSteps: 20")  # type: ignore[attr-defined]
