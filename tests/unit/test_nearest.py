"""The words that lie nearest to a vector."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from tinv_tui.embeddings.nearest import Nearest, nearest_words
from tinv_tui.errors import InputError
from tinv_tui.models import bundled
from tinv_tui.models.identify import identify
from tinv_tui.models.tokenizer import tokenizer_for

TABLE = safetensors.numpy.load_file(bundled.FOLDER / "text_encoder" / "model.safetensors")
(WEIGHTS,) = (value for key, value in TABLE.items() if key.endswith("token_embedding.weight"))


def test_a_words_own_row_at_any_length_is_nearest_to_the_word() -> None:
    model = identify("bundled", Path.cwd())
    star, red = (tokenizer_for(model.tokenizer_folder).encode(word)[0] for word in ("star", "red"))
    near = nearest_words({"emb_params": WEIGHTS[[star, red]] * np.float32([[3.0], [0.01]])}, model)["emb_params"]
    assert [words[0][0] for words in near] == ["star", "red"]
    assert [round(words[0][1], 6) for words in near] == [1.0, 1.0]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_blocks_of_any_size_give_what_the_plain_sum_gives(size: int) -> None:
    draw = np.random.default_rng(4)
    rows, table = draw.standard_normal((3, 8)).astype(np.float32), draw.standard_normal((50, 8)).astype(np.float32)
    nearest = Nearest(rows, 4)
    for at in range(0, 50, size):
        nearest.look_at(table[at : at + size])
    found = nearest.found
    for row, tokens in zip(rows, found, strict=True):
        cosines = table @ row / np.linalg.norm(table, axis=1) / np.linalg.norm(row)
        assert [token for token, _ in tokens] == np.argsort(-cosines)[:4].tolist()
        assert np.allclose([cosine for _, cosine in tokens], np.sort(cosines)[::-1][:4], atol=1e-6)


def test_zeros_are_near_to_nothing_and_what_is_not_finite_does_no_harm() -> None:
    rows = np.stack([np.zeros(64, np.float32), np.full(64, np.nan, np.float32)])
    nearest = Nearest(rows)
    nearest.look_at(WEIGHTS)
    assert nearest.found == [[], []]


def test_a_model_whose_table_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="text_encoder holds no weights"):
        nearest_words({"emb_params": WEIGHTS[:1]}, replace(identify("bundled", Path.cwd()), path=tmp_path))
