"""Vectors start from the token rows of a phrase, spread over all of them; read without torch, whatever the numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from tinv_tui.embeddings.start import spread, starting_tokens, vectors_warning
from tinv_tui.errors import InputError
from tinv_tui.models import bundled
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.identify import identify
from tinv_tui.models.token_table import read_token_rows
from tinv_tui.models.tokenizer import tokenizer_for

TABLE = "text_model.embeddings.token_embedding.weight"
WEIGHTS = bundled.FOLDER / "text_encoder" / "model.safetensors"


def table() -> NDArray[np.float32]:
    rows: NDArray[np.float32] = next(v for k, v in load_file(WEIGHTS).items() if k.endswith("token_embedding.weight"))
    return rows


@pytest.fixture
def model(tmp_path: Path) -> BaseModel:
    """A copy of the bundled model, to change."""
    shutil.copytree(bundled.FOLDER, tmp_path / "model")
    return identify("model", tmp_path)


@pytest.mark.parametrize(
    ("tokens", "vectors", "indices"),
    [
        (1, 1, [0]),
        (1, 4, [0, 0, 0, 0]),
        (2, 4, [0, 0, 1, 1]),
        (3, 8, [0, 0, 0, 1, 1, 1, 2, 2]),
        (5, 3, [0, 1, 3]),
        (7, 16, [0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 5, 6, 6]),
        (9, 3, [0, 3, 6]),
    ],
)
def test_tokens_are_spread_over_all_vectors(tokens: int, vectors: int, indices: list[int]) -> None:
    assert spread(tokens, vectors) == indices


@pytest.mark.parametrize("vectors", range(1, 76))
def test_as_many_tokens_as_vectors_are_taken_each_once(vectors: int) -> None:
    assert spread(vectors, vectors) == list(range(vectors))


def test_a_phrase_longer_than_the_vectors_is_not_cut_to_its_beginning() -> None:
    tokenizer = tokenizer_for(bundled.FOLDER / "tokenizer")
    red, star = tokenizer.encode("red")[0], tokenizer.encode("star")[0]
    a = tokenizer.encode("a")[0]
    assert starting_tokens("a red star a red star", 2, tokenizer) == [a, a]
    assert starting_tokens("a red star on blue", 3, tokenizer)[:2] == [a, red]
    assert starting_tokens("red a star", 3, tokenizer) == [red, a, star]


def test_no_text_is_zeros_and_a_text_without_words_is_an_error() -> None:
    tokenizer = tokenizer_for(bundled.FOLDER / "tokenizer")
    assert starting_tokens("", 3, tokenizer) == []
    with pytest.raises(InputError, match=r"embedding\.init_text: ' ' has no words"):
        starting_tokens(" ", 3, tokenizer)


@pytest.mark.parametrize(("vectors", "pictures", "many"), [(1, 1, False), (2, 9, True), (2, 10, False), (16, 42, True)])
def test_many_vectors_for_few_pictures_are_warned_about(vectors: int, pictures: int, many: bool) -> None:
    assert (vectors_warning(vectors, pictures) is not None) == many


def test_rows_are_those_of_the_models_token_table(model: BaseModel) -> None:
    rows = read_token_rows(model, [5, 0, 5, 300])
    assert rows.dtype == np.float32
    assert np.array_equal(rows, table()[[5, 0, 5, 300]])


def test_half_precision_tables_are_read_too(model: BaseModel) -> None:
    weights = model.path / "text_encoder" / "model.safetensors"
    save_file({TABLE: table().astype(np.float16)}, weights)
    rows = read_token_rows(model, [7, 9])
    assert np.array_equal(rows, table()[[7, 9]].astype(np.float16).astype(np.float32))


def test_bf16_which_numpy_does_not_know_is_read_too(model: BaseModel) -> None:
    upper = (table().astype(np.float32).view(np.uint32) >> 16).astype("<u2")
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            TABLE: {"dtype": "BF16", "shape": list(upper.shape), "data_offsets": [0, upper.nbytes]},
        }
    ).encode()
    weights = model.path / "text_encoder" / "model.safetensors"
    weights.write_bytes(len(header).to_bytes(8, "little") + header + upper.tobytes())
    rows = read_token_rows(model, [7, 9])
    assert np.array_equal(rows, (upper[[7, 9]].astype(np.uint32) << 16).view(np.float32))


def test_fp32_is_taken_where_fp16_lies_beside_it(model: BaseModel) -> None:
    save_file({TABLE: table().astype(np.float16)}, model.path / "text_encoder" / "model.fp16.safetensors")
    rows = read_token_rows(model, [7])
    assert np.array_equal(rows, table()[[7]])


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, WEIGHTS.read_bytes()[:1000]])
def test_a_broken_file_is_an_error_that_names_it(model: BaseModel, content: bytes) -> None:
    weights = model.path / "text_encoder" / "model.safetensors"
    weights.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.path: .*model\.safetensors"):
        read_token_rows(model, [1])


def test_a_token_the_table_does_not_have_is_an_error(model: BaseModel) -> None:
    with pytest.raises(InputError, match="token table has"):
        read_token_rows(model, [len(table())])
