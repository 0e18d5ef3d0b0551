"""Torch files to be read, and to be refused."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from tinv_tui.errors import InputError
from tinv_tui.models.torch_file import read_torch_file


def write(path: Path, value: Any, zipped: bool = True) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


def refused(path: Path, code: str = "torch-file-broken") -> InputError:
    with pytest.raises(InputError) as caught:
        read_torch_file(path)
    assert (caught.value.code, str(path) in caught.value.message) == (code, True)
    return caught.value


def zipped_pickle(path: Path, data: bytes, more: dict[str, bytes] | None = None, packed: bool = False) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file:
        for name, content in {"a/data.pkl": data, "a/version": b"3\n", **(more or {})}.items():
            file.writestr(name, content)
    return path
