"""Rows of a text encoder's token table, read from its file without torch and without reading the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.number_formats import FLOAT_BYTES, NUMBER_BYTES, as_fp32
from tinv_tui.models.safetensors_file import read_safetensors
from tinv_tui.models.stored_tensor import read_numbers

_TENSOR = "embeddings.token_embedding.weight"
_BLOCK = 4096
_LONGEST_HEADER = 100_000_000
"""Of a safetensors file, by its specification."""


def read_token_rows(model: BaseModel, ids: Sequence[int]) -> NDArray[np.float32] | None:
    """The rows of these tokens, [tokens, width]; None where the weights are in no safetensors file.

    Raises InputError for a file that is broken, or whose table is not the tokenizer's.
    """
    for path in _files(model.path / "text_encoder"):
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


def read_token_blocks(model: BaseModel, encoder: int = 0) -> Iterator[NDArray[np.float32]]:
    """The whole table of one text encoder, a few thousand rows at a time, in the order of token ids.

    Raises InputError for a file that is broken, and where the weights are in no safetensors file.
    """
    folder = model.path / model.family.encoders[encoder].folder
    for path in _files(folder):
        tensors, _ = read_safetensors(path)
        table = next((tensor for key, tensor in tensors.items() if key.endswith(_TENSOR)), None)
        if table is not None and len(table.shape) == 2:
            count, width = table.shape
            for first in range(0, count, _BLOCK):
                rows = min(_BLOCK, count - first)
                at = table.offset + first * width * NUMBER_BYTES.get(table.kind, 1)
                size = rows * width * NUMBER_BYTES.get(table.kind, 1)
                yield read_numbers(path, replace(table, shape=(rows, width), offset=at, byte_count=size))
            return
    raise InputError(
        "model-table",
        f"--model: {folder} holds no token table in a safetensors file",
        "Its words cannot be compared; save the model as safetensors.",
    )


def _files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.safetensors"))
    return [path for path in files if ".fp16." not in path.name] or files


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
