"""Reads what torch.save writes (``.pt`` ``.bin`` ``.pti`` ``.ckpt``) without torch, and runs nothing that is in it.

    tree = read_torch_file(path)             # plain data; its tensors are StoredTensor, not read yet
    found = tensors_in(tree)                 # {"state_dict.cond_stage_model.…weight": StoredTensor, …}
    numbers = read_numbers(path, found[…])   # fp32 NumPy

Both containers are read: the zip file of torch 1.6 and later, and the older row of pickles. Of a checkpoint of gigabytes only
the pickle is read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

from tinv_tui.errors import InputError
from tinv_tui.models.number_formats import NUMBER_BYTES
from tinv_tui.models.pickle_names import as_key
from tinv_tui.models.pickles import MOST_PICKLE_BYTES, Place, Refused, interpret
from tinv_tui.models.stored_tensor import StoredTensor, read_numbers
from tinv_tui.models.zip_members import Member, data_offset, list_members, read_member

__all__ = ["StoredTensor", "read_numbers", "read_torch_file", "tensors_in"]

_LEGACY_MAGIC, _LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


def read_torch_file(path: Path) -> Any:
    """What the file holds: dicts (keys are text or int), lists, tuples, plain values; tensors are :class:`StoredTensor`.

    No deeper than 64 levels, no more than a million values, no cycles. Raises InputError ("torch-file-unsafe" where something
    would have to be called, "torch-file-broken" for everything else that is wrong), OSError when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
            if start == b"PK\x03\x04":
                return _read_zip(file)
            if start[:1] == b"\x80":
                return _read_legacy(file)
    except Refused as error:
        raise InputError(
            "torch-file-unsafe",
            f"{path}: {error}: refused",
            "Such a file can run programs. Do not load it elsewhere either, unless you trust where it came from.",
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:
        said = str(error) or "it wants more memory than there is"
        raise InputError("torch-file-broken", f"{path} is not a readable torch file: {said}", _hint(start)) from None
    raise InputError("torch-file-broken", f"{path} is not a file that torch.save wrote", _hint(start))


def tensors_in(tree: Any) -> dict[str, StoredTensor]:
    """All tensors of what :func:`read_torch_file` gave, by their path: keys and positions joined by dots."""
    found: dict[str, StoredTensor] = {}
    _collect(tree, "", found)
    return found


def _read_zip(file: BinaryIO) -> Any:
    members = list_members(file)
    roots = [name.removesuffix("data.pkl") for name in members if name.endswith("data.pkl") and name.count("/") < 2]
    if len(roots) != 1:
        raise ValueError("it is a zip file, but holds no data.pkl")
    (root,) = roots
    order = members.get(f"{root}byteorder")
    if order is not None and read_member(file, order, 16).strip() != b"little":
        raise ValueError("its numbers are big-endian")

    def find(key: str, kind: str) -> Place:
        member: Member | None = members.get(f"{root}data/{key}")
        if member is None:
            raise ValueError("a tensor's numbers are missing")
        return (data_offset(file, member), member.size, None) if member.is_stored else (0, member.size, member.name)

    pickle = read_member(file, members[f"{root}data.pkl"], MOST_PICKLE_BYTES)
    return interpret(pickle, 0, find)[0]


def _read_legacy(file: BinaryIO) -> Any:
    """Five pickles (a magic number, a version, facts of the system, the object, the keys of its storages), then numbers.

    Where the numbers lie is known last, so the object is read twice.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(MOST_PICKLE_BYTES)
    sizes: dict[str, int] = {}

    def nowhere(key: str, kind: str) -> Place:
        sizes.setdefault(key, NUMBER_BYTES[kind])
        return 0, 2**62, None

    magic, at = interpret(head, 0, nowhere)
    if magic != _LEGACY_MAGIC:
        raise ValueError("it is a pickle that torch.save did not write")
    protocol, at = interpret(head, at, nowhere)
    system, object_start = interpret(head, at, nowhere)
    if protocol != _LEGACY_PROTOCOL or not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ValueError("it was written by another version of torch, or on another kind of machine")
    _, at = interpret(head, object_start, nowhere)
    keys, at = interpret(head, at, nowhere)
    if not isinstance(keys, list):
        raise ValueError("the list of its tensors is damaged")
    places: dict[str, Place] = {}
    for key in (str(as_key(key)) for key in keys):
        if key not in sizes or key in places or at + 8 > end:
            raise ValueError("the list of its tensors is damaged")
        file.seek(at)
        count = int.from_bytes(file.read(8), "little")
        bytes_held = count * sizes[key]
        if count >= 2**48 or at + 8 + bytes_held > end:
            raise ValueError("it is cut off")
        places[key] = (at + 8, bytes_held, None)
        at += 8 + bytes_held

    def find(key: str, kind: str) -> Place:
        if key not in places:
            raise ValueError("a tensor's numbers are missing")
        return places[key]

    return interpret(head, object_start, find)[0]


def _collect(node: Any, path: str, found: dict[str, StoredTensor]) -> None:
    if isinstance(node, StoredTensor):
        found[path] = node
        return
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list | tuple) else ()
    for key, value in items:
        _collect(value, f"{path}.{key}" if path else str(key), found)


def _hint(start: bytes) -> str:
    if start[:1] in (b"<", b"{") or start == b"vers":
        return "It is text: a web page, or a pointer to the file? Download it again."
    return "Is the download complete?"
