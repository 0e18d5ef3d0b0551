"""Kitty's graphics protocol with placeholders: a picture is sent once, and characters say where each cell of it stands.

What covers or removes those characters does so with the picture, and tmux moves them as it does any text.
https://sw.kovidgoyal.net/kitty/graphics-protocol/#unicode-placeholders
"""

from __future__ import annotations

import base64
import io
import itertools
import os
import random
from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

if TYPE_CHECKING:
    from PIL import Image

_CHUNK = 4096
_PLACEHOLDER = "\U0010eeee"
# The combining characters that stand for 0, 1, 2, … in the protocol, in hexadecimal: its rowcolumn-diacritics.txt.
_SPANS = """
305 30d-30e 310 312 33d-33f 346 34a-34c 350-352 357 35b 363-36f 483-487 592-595 597-599 59c-5a1 5a8-5a9 5ab-5ac 5af
5c4 610-617 657-65b 65d-65e 6d6-6dc 6df-6e2 6e4 6e7-6e8 6eb-6ec 730 732-733 735-736 73a 73d 73f-741 743 745 747 749-74a
7eb-7f1 7f3 816-819 81b-823 825-827 829-82d 951 953-954 f82-f83 f86-f87 135d-135f 17dd 193a 1a17 1a75-1a7c 1b6b
1b6d-1b73 1cd0-1cd2 1cda-1cdb 1ce0 1dc0-1dc1 1dc3-1dc9 1dcb-1dcc 1dd1-1de6 1dfe 20d0-20d1 20d4-20d7 20db-20dc 20e1 20e7
20e9 20f0 2cef-2cf1 2de0-2dff a66f a67c-a67d a6f0-a6f1 a8e0-a8f1 aab0 aab2-aab3 aab7-aab8 aabe-aabf aac1 fe20-fe26 10a0f
10a38 1d185-1d189 1d1aa-1d1ad 1d242-1d244
"""


def _numbers() -> str:
    spans = ([int(end, 16) for end in span.split("-")] for span in _SPANS.split())
    return "".join(chr(code) for ends in spans for code in range(ends[0], ends[-1] + 1))


_NUMBERS = _numbers()
MOST_CELLS = len(_NUMBERS)
"""A picture may have as many columns and rows."""

# A placeholder names its picture by its colour, one of those that are written the same for any terminal, and one byte more.
_COLOURS = range(1, 16)
_ids = (
    byte << 24 | colour
    for byte in itertools.cycle((first + more) % 255 + 1 for first in (random.randrange(255),) for more in range(255))
    for colour in _COLOURS
)


def new_id() -> int:
    """A number for a picture that no other program on this terminal is likely to have."""
    return next(_ids)


def png_of(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def send(number: int, png: bytes, columns: int, rows: int) -> str:
    """The sequence that hands a picture over, in place of any of that number; the terminal does not answer."""
    data = base64.standard_b64encode(png).decode("ascii")
    chunks = [data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK)]
    keys = f"a=T,U=1,f=100,i={number},c={columns},r={rows},q=2,"
    sequences = list[str]()
    for place, chunk in enumerate(chunks, start=1):
        sequences.append(f"{keys}m={int(place < len(chunks))};{chunk}")
        keys = "q=2,"
    return "".join(map(_graphics, sequences))


def forget(number: int) -> str:
    """The sequence that frees a picture; its placeholders are blank from then on."""
    return _graphics(f"a=d,d=I,i={number},q=2")


def placeholders(number: int, columns: int, rows: int) -> list[Strip]:
    """The characters in whose place the picture is seen."""
    style, byte = Style(color=Color.from_ansi(number & 0xFF)), _NUMBERS[number >> 24]
    return [
        Strip([Segment(f"{_PLACEHOLDER}{row}{column}{byte}", style) for column in _NUMBERS[:columns]], columns)
        for row in _NUMBERS[:rows]
    ]


def _graphics(command: str) -> str:
    sequence = f"\x1b_G{command}\x1b\\"
    return sequence if "TMUX" not in os.environ else f"\x1bPtmux;{sequence.replace(chr(27), chr(27) * 2)}\x1b\\"
