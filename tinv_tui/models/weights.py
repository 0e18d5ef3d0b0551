"""Reads the numbers of weight files, tensor by tensor, as torch tensors.

They are read from their place in the file into fresh memory, not mapped: a run then holds its weights once, needs no memory
beside them, and lives on when the file is replaced or its disk goes away.
"""

from __future__ import annotations

import math
import threading
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from pathlib import Path

import torch
from torch import Tensor

from tinv_tui.errors import InputError
from tinv_tui.models.pickles import StoredTensor
from tinv_tui.models.weight_file import WeightFile, read_weight_file
from tinv_tui.models.zip_members import list_members, read_member

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
"""The number formats that weights are read from, as safetensors calls them."""
_MOST_UNPACKED = 2**30
_BLOCK = 2**22


class Weights:
    """The tensors of one or several files by name. A context manager: files stay open while it is entered."""

    def __init__(self, files: Iterable[Path], key: str = "model.path") -> None:
        """Read the headers. Raises InputError, which names the recipe's ``key``, for a file that is broken or refused."""
        found = [_header(path, key) for path in files]
        self._key = key
        self.where = f"{key}: {', '.join(str(file.path) for file in found)}"
        """The recipe's key and the files, for errors."""
        self.tensors: Mapping[str, StoredTensor] = ChainMap(*(dict(file.tensors) for file in found))
        self._paths = {name: file.path for file in reversed(found) for name in file.tensors}
        self._stack, self._open = ExitStack(), dict[Path, FileIO]()
        self._scratch = torch.empty(0, dtype=torch.uint8)

    def __enter__(self) -> Weights:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._open.clear()
        self._scratch = torch.empty(0, dtype=torch.uint8)

    def read(self, name: str, rows: slice | None = None, *, keep: bool = True) -> Tensor:
        """A tensor, or a run of its rows, in the file's own number format. Raises InputError where it is cut off.

        Without ``keep`` it is good until the next reading, into the same memory: fresh memory costs more than the reading.
        """
        path, stored = self._paths[name], self.tensors[name]
        dtype = DTYPES[stored.kind]
        shape, offset, count = stored.shape, stored.offset, stored.byte_count
        if rows is not None and stored.source is None and _is_in_rows(stored):
            row_bytes = math.prod(shape[1:]) * dtype.itemsize
            shape = (rows.stop - rows.start, *shape[1:])
            offset, count, rows = offset + rows.start * row_bytes, shape[0] * row_bytes, None
        flat = (torch.empty(count, dtype=torch.uint8) if keep else self._room(count)).view(dtype)
        try:
            self._copy(path, stored, offset, flat.view(torch.uint8).numpy().data)
        except (OSError, ValueError) as error:
            raise InputError(
                "model-broken", f"{self._key}: {path}: {name}: {error}", "Is the download complete?"
            ) from None
        tensor = flat.view(shape) if _is_in_rows(stored) else flat.as_strided(shape, stored.stride)
        return tensor if rows is None else tensor[rows]

    @contextmanager
    def read_ahead(self, names: Iterable[str]) -> Iterator[None]:
        """Meanwhile have the system read tensors into its cache of files, so that they are there when they are read.

        Whoever enters this does something else than reading. It takes no memory that somebody could want.
        """
        ranges = sorted((self._paths[n], self.tensors[n].offset, self.tensors[n].byte_count) for n in names)
        ended = threading.Event()

        def look() -> None:
            block = memoryview(bytearray(_BLOCK))
            with suppress(OSError):  # whoever reads it in earnest says what is wrong
                for path, offset, count in ranges:
                    with FileIO(path) as file:
                        file.seek(offset)
                        for done in range(0, count, _BLOCK):
                            if ended.is_set():
                                return
                            file.readinto(block[: count - done])

        thread = threading.Thread(target=look, name="reading ahead", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _room(self, count: int) -> Tensor:
        """Memory for so many bytes that is used again and again."""
        if self._scratch.numel() < count:
            self._scratch = torch.empty(count, dtype=torch.uint8)
        return self._scratch[:count]

    def _copy(self, path: Path, stored: StoredTensor, offset: int, target: memoryview) -> None:
        """Raises OSError or ValueError."""
        if isinstance(stored.source, bytes):
            target[:] = stored.source[offset : offset + len(target)]
            return
        if path not in self._open:
            self._open[path] = self._stack.enter_context(FileIO(path))
        file, done = self._open[path], 0
        if stored.source is not None:  # a zip file that was packed again, with compression
            unpacked = read_member(file, list_members(file)[stored.source], _MOST_UNPACKED)
            target[:] = unpacked[offset : offset + len(target)]
            return
        file.seek(offset)
        while done < len(target):
            count = file.readinto(target[done:])
            if not count:
                raise ValueError("the file ends before it")
            done += count


def _header(path: Path, key: str) -> WeightFile:
    try:
        return read_weight_file(path, key)
    except InputError as error:
        if error.code == "model-format":  # it lies where weights belong, so that it is broken, not of another kind
            raise InputError("model-broken", error.message, error.hint) from None
        raise


def _is_in_rows(stored: StoredTensor) -> bool:
    """Whether row lies behind row without gaps; a tensor that was turned before it was saved does not."""
    expected = 1
    for length, step in zip(reversed(stored.shape), reversed(stored.stride), strict=True):
        if length > 1 and step != expected:
            return False
        expected *= length
    return True
