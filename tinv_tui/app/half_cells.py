"""A picture as characters: two pixels to a cell, or shading in ASCII; everywhere, without asking the terminal anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tinv_tui.app.glyphs import SHADES

if TYPE_CHECKING:
    from PIL import Image

Pixel = tuple[int, int, int]


def half_cells(image: Image.Image, columns: int, rows: int) -> list[Strip]:
    """An RGB picture, stretched over so many cells of the terminal."""
    raw = _stretched(image, columns, 2 * rows).tobytes()

    def pixel(x: int, y: int) -> Pixel:
        at = 3 * (y * columns + x)
        return raw[at], raw[at + 1], raw[at + 2]

    return [_strip([(pixel(x, y), pixel(x, y + 1)) for x in range(columns)]) for y in range(0, 2 * rows, 2)]


def shading(image: Image.Image, columns: int, rows: int, *, is_dark: bool) -> list[Strip]:
    """In ASCII and without colours; what is bright is dense on a dark ground, and sparse on a light one."""
    small = _stretched(image, columns, 2 * rows).convert("L").resize((columns, rows))
    shades = SHADES if is_dark else SHADES[::-1]
    text = "".join(shades[level * len(shades) // 256] for level in small.tobytes())
    return [Strip([Segment(text[at : at + columns])]) for at in range(0, len(text), columns)]


def _stretched(image: Image.Image, width: int, height: int) -> Image.Image:
    from PIL import Image

    return image.resize((width, height), Image.Resampling.HAMMING)


def _strip(cells: list[tuple[Pixel, Pixel]]) -> Strip:
    """One row; neighbours of the same colours share a segment, which saves most of a flat picture's bytes."""
    segments: list[Segment] = []
    start = 0
    for end in range(1, len(cells) + 1):
        if end == len(cells) or cells[end] != cells[start]:
            top, bottom = cells[start]
            style = Style(color=Color.from_rgb(*top), bgcolor=Color.from_rgb(*bottom))
            segments.append(Segment("▀" * (end - start), style))
            start = end
    return Strip(segments)
