"""Bytes hidden in strips left and right of a picture, as A1111 does it (reference a1111 §2.6).

They survive a website that strips a file's texts, but no lossy format and no resizing. The finished picture is

    left strip | black column | picture | black column | right strip

where each strip's lower four bits, combined with a key stream, hold one half of every byte, and the upper four show a
pattern of dots whose greys are the embedding's.
"""

from __future__ import annotations

import itertools
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.uint8]
"""[rows, columns, 3]."""

MOST_BYTES = 2**23
"""The most that a payload may unpack to: 8 MiB, which is 400 vectors as text. Read as JSON it takes twenty times that."""

_LOW, _FOUR = np.uint8(15), np.uint8(4)
_DOT_STEP, _DOT_SIZE, _DOT_SHIFT = 8, 6, 4


class NoPayload(ValueError):
    """An ordinary picture."""


def put_in(image: Image.Image, payload: bytes, shades: NDArray[np.float32]) -> Image.Image:
    """The picture between two strips, as wide as the payload needs; alpha is lost.

    ``shades`` are the values whose sizes become the greys of the dots.
    """
    picture = np.asarray(image.convert("RGB"))
    height = picture.shape[0]
    packed = np.frombuffer(zlib.compress(payload, 9), dtype=np.uint8)
    filled = np.resize(packed, _padded(len(packed), height))  # repeats the payload; readers stop at its end mark
    greys = _greys(shades)
    left = _strip(filled & _LOW, height, greys)
    right = _strip(filled >> _FOUR, height, greys[::-1])
    gap = np.zeros((height, 1, 3), dtype=np.uint8)
    return Image.fromarray(np.concatenate([left, gap, picture, gap, right], axis=1))


def take_out(image: Image.Image) -> bytes:
    """The payload of such a picture. Raises NoPayload for an ordinary one, ValueError for a damaged one."""
    pixels = _without_border(np.asarray(image.convert("RGB")))
    low = pixels & _LOW
    blank = np.flatnonzero(~low.any(axis=(0, 2)))
    if len(blank) < 2:
        raise NoPayload("the picture has no strips")
    left, right = low[:, : blank[0]], low[:, blank[-1] + 1 :]
    if left.size == 0 or right.size == 0:
        raise NoPayload("the picture has no strips")
    if left.shape != right.shape:
        raise NoPayload(f"its strips are {left.shape[1]} and {right.shape[1]} columns wide")
    key = key_stream(left.size) & _LOW
    packed = ((right.reshape(-1) ^ key) << _FOUR) | (left.reshape(-1) ^ key)
    return _unpack(packed.tobytes())


def key_stream(count: int) -> NDArray[np.uint8]:
    """The first ``count`` bytes of the key: a linear congruential generator from state 0, each state modulo 255."""
    states = np.array([1013904223], dtype=np.uint32)
    factor, term = np.uint32(1664525), np.uint32(1013904223)
    with np.errstate(over="ignore"):  # the arithmetic is meant to be modulo 2³²
        while len(states) < count:
            states = np.concatenate([states, states * factor + term])
            factor, term = factor * factor, term * factor + term
    return (states[:count] % np.uint32(255)).astype(np.uint8)


def _padded(length: int, height: int) -> int:
    """Whole rows, then whole strips of three channels; each adds a full unit where nothing is missing."""
    rows = length + height - length % height
    return rows + 3 * height - rows % (3 * height)


def _strip(nibbles: Pixels, height: int, greys: list[int]) -> Pixels:
    hidden = (nibbles ^ (key_stream(nibbles.size) & _LOW)).reshape(height, -1, 3)
    strip: Pixels = hidden ^ (_dots(hidden.shape[1], height, greys) & ~_LOW)
    return strip


def _dots(width: int, height: int, greys: list[int]) -> Pixels:
    canvas = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(canvas)
    grey = itertools.cycle(greys)
    for x in range(-_DOT_SIZE, width, _DOT_STEP):
        for row, y in enumerate(range(-_DOT_SIZE, height, _DOT_STEP)):
            left = x if row % 2 else x + _DOT_SHIFT
            shade = next(grey)
            draw.ellipse((left, y, left + _DOT_SIZE, y + _DOT_SIZE), fill=(shade, shade, shade))
    return np.asarray(canvas)


def _greys(shades: NDArray[np.float32]) -> list[int]:
    sizes = np.abs(shades[:1024].astype(np.float64))
    largest = float(sizes.max(initial=0.0))
    if not largest:
        return [0]  # vectors of zeros have no pattern
    return [int(grey) for grey in (sizes / largest * 255).astype(np.uint8)]


def _without_border(pixels: Pixels) -> Pixels:
    lit = pixels.min(axis=2) > 0
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    if not len(rows):
        raise NoPayload("the picture is black")
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _unpack(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        payload = unpacker.decompress(packed, MOST_BYTES)
    except zlib.error as error:
        raise NoPayload(f"its strips hold nothing that can be unpacked ({error})") from None
    if not unpacker.eof:
        too_large = len(payload) >= MOST_BYTES
        raise ValueError(
            "its strips unpack to more than an embedding can be" if too_large else "its strips are cut off"
        )
    return payload
