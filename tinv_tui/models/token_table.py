"""Rows of the text encoders' token tables, read from their files without torch and without reading the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.families import TextEncoder
from tinv_tui.models.layout import TOKEN_TABLES, find_parts
from tinv_tui.models.part_files import part_files
from tinv_tui.models.torch_file import StoredTensor
from tinv_tui.models.weight_file import WeightFile, read_rows, read_weight_file

_TENSOR = "embeddings.token_embedding.weight"


def read_token_rows(model: BaseModel, ids: Sequence[int]) -> NDArray[np.float32]:
    """The rows of these tokens, [tokens, model.width]: those of several text encoders side by side.

    Raises InputError for a file that is broken, or whose table is not the tokenizer's.
    """
    if model.is_single_file:
        file = read_weight_file(model.path)
        tables = [(file, _in_single_file(file, encoder)) for encoder in model.family.encoders]
    else:
        tables = [_in_folder(model.path / encoder.folder) for encoder in model.family.encoders]
    found = []
    for (file, table), width in zip(tables, model.widths, strict=True):
        try:
            if len(table.shape) != 2:
                raise ValueError(f"its token table has {len(table.shape)} dimensions")
            if table.shape[1] != width:  # before a file is believed that says it is very wide
                raise ValueError(f"its token table is {table.shape[1]} wide, its configuration says {width}")
            rows = read_rows(file.path, table, ids)
        except (OSError, ValueError) as error:
            raise InputError(
                "model-broken", f"model.path: {file.path}: {error}", "The model's text encoder is broken."
            ) from None
        found.append(rows)
    return np.concatenate(found, axis=1)


def _in_single_file(file: WeightFile, encoder: TextEncoder) -> StoredTensor:
    names = find_parts(file.tensors).names.get(encoder.folder, {})
    stored = next((names[name] for name in TOKEN_TABLES if name in names), None)
    if stored is None:
        raise _missing(file.path)
    return file.tensors[stored]


def _in_folder(folder: Path) -> tuple[WeightFile, StoredTensor]:
    """The table of a text encoder's own folder, from the files that training loads."""
    for path in part_files(folder):
        file = read_weight_file(path)
        for name, tensor in file.tensors.items():
            if name.endswith(_TENSOR) and len(tensor.shape) == 2:
                return file, tensor
    raise _missing(folder)


def _missing(path: Path) -> InputError:
    return InputError("model-broken", f"model.path: {path} holds no token table", "Is the model complete?")
