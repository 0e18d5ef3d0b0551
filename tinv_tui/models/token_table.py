"""Rows of a text encoder's token table, read from its file without torch and without reading the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.number_formats import FLOAT_BYTES, as_fp32

_TENSOR = "embeddings.token_embedding.weight"
_LONGEST_HEADER = 100_000_000
"""Of a safetensors file, by its specification."""


def read_token_rows(model: BaseModel, ids: Sequence[int]) -> NDArray[np.float32] | None:
    """The rows of these tokens, [tokens, width]; None where the weights are in no safetensors file.

    Raises InputError for a file that is broken, or whose table is not the tokenizer's.
    """
    files = sorted((model.path / "text_encoder").glob("*.safetensors"))
    plain = [path for path in files if ".fp16." not in path.name]
    for path in plain or files:
        try:
            with path.open("rb") as file:
                rows = _rows_of(file, ids)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                "model-broken", f"model.path: {path}: {error}", "The model's text encoder is broken."
            ) from None
        if rows is not None:
            return rows
    return None


def _rows_of(file: BinaryIO, ids: Sequence[int]) -> NDArray[np.float32] | None:
    length = int.from_bytes(file.read(8), "little")
    if length > _LONGEST_HEADER:
        raise ValueError("it is no safetensors file")
    header = json.loads(file.read(length))
    name = next((key for key in header if key.endswith(_TENSOR)), None)
    if name is None:
        return None
    kind, (count, width) = header[name]["dtype"], header[name]["shape"]
    if kind not in FLOAT_BYTES:
        raise ValueError(f"its token table holds {kind} numbers")
    if any(not 0 <= i < count for i in ids):
        raise ValueError(f"its token table has {count} rows, its tokenizer more")
    table, row_bytes = 8 + length + header[name]["data_offsets"][0], width * FLOAT_BYTES[kind]
    rows = np.empty((len(ids), width), np.float32)
    for position, token in enumerate(ids):
        file.seek(table + token * row_bytes)
        rows[position] = as_fp32(file.read(row_bytes), kind)
    return rows
