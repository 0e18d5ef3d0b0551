"""Lists what lies in a zip file, within bounds, whatever the file claims of itself.

Python's own reader takes a file's word for the size of its directory and makes an object of every entry first.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

_MOST_DIRECTORY_BYTES = 2**24
_MOST_MEMBERS = 50_000
_END, _END_64, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_ENTRY, _LOCAL = b"PK\x01\x02", b"PK\x03\x04"
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFFFFFF


@dataclass(frozen=True)
class Member:
    """A file in a zip file. Sizes are bytes, as its directory tells them."""

    name: str
    header_offset: int
    packed_size: int
    size: int
    is_stored: bool


def list_members(file: BinaryIO) -> dict[str, Member]:
    """The members by name. Raises ValueError for what is no zip file, or one beyond bounds."""
    end = file.seek(0, os.SEEK_END)
    tail_start = max(0, end - 65_557)  # an end record, and the longest comment
    tail = _read_at(file, tail_start, end - tail_start)
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        raise ValueError("it is cut off: its zip directory is missing")
    count, size, start = struct.unpack_from("<HII", tail, at + 10)
    if count == _FULL_16 or _FULL_32 in (size, start):
        count, size, start = _end_64(file, tail_start + at)
    if size > _MOST_DIRECTORY_BYTES or count > _MOST_MEMBERS:
        raise ValueError("its zip directory is larger than that of any model")
    directory = _read_at(file, start, size)
    members: dict[str, Member] = {}
    position = 0
    try:
        for _ in range(count):
            member, position = _entry(directory, position)
            if member.name in members:
                raise ValueError("its zip directory names a member twice")
            members[member.name] = member
    except struct.error:
        raise ValueError("its zip directory is damaged") from None
    return members


def data_offset(file: BinaryIO, member: Member) -> int:
    """Where the member's bytes begin, in bytes from the start of the file. Raises ValueError."""
    header = _read_at(file, member.header_offset, 30)
    if header[:4] != _LOCAL:
        raise ValueError(f"its zip member {member.name} is not where the directory says")
    name, extra = struct.unpack_from("<HH", header, 26)
    start = member.header_offset + 30 + name + extra
    if start + member.packed_size > file.seek(0, os.SEEK_END):
        raise ValueError(f"it is cut off: its zip member {member.name} is incomplete")
    return int(start)


def read_member(file: BinaryIO, member: Member, most: int) -> bytes:
    """The member's bytes, unpacked. Raises ValueError for more than ``most`` of them, and for damage."""
    if member.size > most or member.packed_size > most:
        raise ValueError(f"its zip member {member.name} is too large")
    data = _read_at(file, data_offset(file, member), member.packed_size)
    if not member.is_stored:
        unpacker = zlib.decompressobj(-15)
        try:
            data = unpacker.decompress(data, member.size + 1)  # what it claims, and no more
        except zlib.error as error:
            raise ValueError(f"its zip member {member.name} is damaged ({error})") from None
    if len(data) != member.size:
        raise ValueError(f"its zip member {member.name} is not as long as the directory says")
    return data


def _end_64(file: BinaryIO, end_record: int) -> tuple[int, int, int]:
    locator = _read_at(file, end_record - 20, 20)
    if locator[:4] != _LOCATOR_64:
        raise ValueError("its zip directory is damaged")
    record = _read_at(file, struct.unpack_from("<Q", locator, 8)[0], 56)
    if record[:4] != _END_64:
        raise ValueError("its zip directory is damaged")
    count, size, start = struct.unpack_from("<QQQ", record, 32)
    return count, size, start


def _entry(directory: bytes, at: int) -> tuple[Member, int]:
    if directory[at : at + 4] != _ENTRY:
        raise ValueError("its zip directory is damaged")
    flags, method = struct.unpack_from("<HH", directory, at + 8)
    packed, size, name_length, extra_length, comment_length = struct.unpack_from("<IIHHH", directory, at + 20)
    (header,) = struct.unpack_from("<I", directory, at + 42)
    name = directory[at + 46 : at + 46 + name_length].decode(errors="replace")
    extra = directory[at + 46 + name_length : at + 46 + name_length + extra_length]
    if _FULL_32 in (packed, size, header):
        size, packed, header = _large(extra, size, packed, header)
    if flags & 1 or method not in (0, 8):
        raise ValueError(f"its zip member {name} is packed in a way that is not read")
    if method == 0 and packed != size:
        raise ValueError(f"its zip member {name} has two sizes")
    return Member(name, header, packed, size, method == 0), at + 46 + name_length + extra_length + comment_length


def _large(extra: bytes, size: int, packed: int, header: int) -> tuple[int, int, int]:
    """The numbers that do not fit 32 bits, from the entry's extra field."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            wanted = [number == _FULL_32 for number in (size, packed, header)]
            held = iter(struct.unpack_from(f"<{sum(wanted)}Q", extra, at + 4))
            size, packed, header = (
                next(held) if is_large else number
                for is_large, number in zip(wanted, (size, packed, header), strict=True)
            )
            return size, packed, header
        at += 4 + length
    return size, packed, header


def _read_at(file: BinaryIO, offset: int, count: int) -> bytes:
    if offset < 0 or offset >= 2**63:
        raise ValueError("its zip directory is damaged")
    file.seek(offset)
    data = file.read(count)
    if len(data) != count:
        raise ValueError("it is cut off")
    return data
