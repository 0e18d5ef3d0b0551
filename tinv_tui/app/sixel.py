"""A picture as sixels: rows of six pixels, one colour after the other, as DEC's VT340 took them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

_COLOURS = 256
_BAND = 6
_REPEATS = re.compile(rb"([?-~])\1{3,}")


def encode_sixel(image: Image.Image) -> str:
    """The sequence that draws an RGB picture at the cursor, pixel by pixel, in at most 256 colours of its own."""
    import numpy as np

    paletted = image.quantize(_COLOURS)
    width, height = paletted.size
    palette = paletted.getpalette() or []
    indices, columns = np.asarray(paletted), np.arange(width)
    parts = [b'\x1bP0;1;0q"1;1;%d;%d' % (width, height)]  # the 1: what is not drawn stays as it is
    for colour in np.unique(indices).tolist():
        percents = (round(level * 100 / 255) for level in palette[3 * colour : 3 * colour + 3])
        parts.append(b"#%d;2;%d;%d;%d" % (colour, *percents))
    for top in range(0, height, _BAND):
        drawn = np.full((_COLOURS, width), ord("?"), np.uint8)
        for bit, row in enumerate(indices[top : top + _BAND]):
            drawn[row, columns] += 1 << bit
        used = np.unique(indices[top : top + _BAND]).tolist()
        parts += [b"$".join(b"#%d%s" % (colour, _packed(drawn[colour].tobytes())) for colour in used), b"-"]
    parts[-1] = b"\x1b\\"
    return b"".join(parts).decode("ascii")


def _packed(row: bytes) -> bytes:
    """Four and more of the same as a count; nothing for what is empty up to the end."""
    return _REPEATS.sub(lambda found: b"!%d%s" % (len(found[0]), found[1]), row.rstrip(b"?"))
