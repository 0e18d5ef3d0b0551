"""A picture in half cells: two pixels to a character, everywhere, without asking the terminal anything."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tinv_tui.app.glyphs import SHADES, draws_ascii
from tinv_tui.app.link import draws_pictures

if TYPE_CHECKING:
    from PIL import Image

Pixel = tuple[int, int, int]

_HELD_BACK = "i draws it"


class Picture(Widget):
    """Shows one image file as large as fits, its shape kept; read in a thread, painted once.

    One that nobody asked for ``waits`` on a slow link, until pictures are asked for.
    """

    DEFAULT_CSS = "Picture { height: 1fr; width: 1fr; min-height: 2; }"
    ALLOW_SELECT = False

    def __init__(self, *, id: str, empty: str = "", waits: bool = False) -> None:
        super().__init__(id=id)
        self._waits = waits
        self._empty = empty
        self._path: Path | None = None
        self._drawn: tuple[Path | None, int, int, bool] = (None, 0, 0, False)
        self._strips: list[Strip] = []
        self._problem = ""

    def say_when_empty(self, text: str) -> None:
        """What stands where there is no picture."""
        if text != self._empty:
            self._empty = text
            self.refresh()

    @property
    def path(self) -> Path | None:
        return self._path

    @property
    def is_drawn(self) -> bool:
        return bool(self._strips)

    def show(self, path: Path | None) -> None:
        if path != self._path:
            self._path = path
            self.settle()

    def on_resize(self) -> None:
        self.settle()

    @property
    def _is_held_back(self) -> bool:
        return self._waits and self._path is not None and not draws_pictures(self.app)

    def settle(self) -> None:
        """Draw what should be seen now, if it is not yet."""
        held_back, (width, height) = self._is_held_back, self.size
        path = None if held_back else self._path
        if (path, width, height, held_back) == self._drawn or not width or not height:
            return
        self._drawn = path, width, height, held_back
        self.run_worker(self._read(path, width, height), group="picture", exclusive=True, exit_on_error=False)

    async def _read(self, path: Path | None, width: int, height: int) -> None:
        strips, problem = [], ""
        if path is not None:
            try:
                draw = self._shading if draws_ascii(self.app) else _half_cells
                strips = await asyncio.to_thread(draw, path, width, height)
            except Exception as error:  # noqa: BLE001  a decoder may fail in its own way on a broken file
                problem = f"cannot be shown ({type(error).__name__})"
        self._strips, self._problem = strips, problem
        self.refresh()

    def _shading(self, path: Path, width: int, height: int) -> list[Strip]:
        return _shades(path, width, height, self.app.current_theme.dark)

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        if not self._strips:
            said = _HELD_BACK if self._is_held_back else self._problem or self._empty
            text = said if y == self.size.height // 2 else ""
            pad = max(0, (self.size.width - len(text)) // 2)
            return Strip([Segment(" " * pad + text, base)]).adjust_cell_length(self.size.width, base)
        row = y - (self.size.height - len(self._strips)) // 2
        if not 0 <= row < len(self._strips):
            return Strip.blank(self.size.width, base)
        strip = self._strips[row]
        left = (self.size.width - strip.cell_length) // 2
        return Strip([Segment(" " * left, base), *strip.apply_style(base)]).adjust_cell_length(self.size.width, base)


def _pixels(path: Path, width: int, height: int) -> Image.Image:
    """The picture in RGB, two pixels to a cell of the terminal."""
    from PIL import Image

    from tinv_tui.datasets.pictures import open_upright  # with Pillow and numpy 0.15 s, so not before it is needed

    image = open_upright(path)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    scale = min(width / image.width, 2 * height / image.height)
    size = max(1, round(image.width * scale)), max(2, round(image.height * scale / 2) * 2)
    return image.convert("RGB").resize(size, Image.Resampling.HAMMING)


def _shades(path: Path, width: int, height: int, is_dark: bool) -> list[Strip]:
    """In ASCII and without colours; what is bright is dense on a dark ground, and sparse on a light one."""
    small = _pixels(path, width, height).convert("L")
    rows = small.resize((small.width, small.height // 2)).tobytes()
    shades = SHADES if is_dark else SHADES[::-1]
    text = "".join(shades[level * len(shades) // 256] for level in rows)
    return [Strip([Segment(text[at : at + small.width])]) for at in range(0, len(text), small.width)]


def _half_cells(path: Path, width: int, height: int) -> list[Strip]:
    small = _pixels(path, width, height)
    size, raw = small.size, small.tobytes()

    def pixel(x: int, y: int) -> Pixel:
        at = 3 * (y * size[0] + x)
        return raw[at], raw[at + 1], raw[at + 2]

    return [_strip([(pixel(x, y), pixel(x, y + 1)) for x in range(size[0])]) for y in range(0, size[1], 2)]


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
