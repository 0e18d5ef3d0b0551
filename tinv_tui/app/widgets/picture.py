"""One picture file as large as fits: as characters, and over or in place of them as sixels or kitty graphics."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.segment import Segment
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget
from textual.worker import WorkType

from tinv_tui.app import graphics, kitty
from tinv_tui.app.background import in_background
from tinv_tui.app.glyphs import draws_ascii
from tinv_tui.app.graphics import LONGEST_SIDE, draws_kitty, draws_sixel
from tinv_tui.app.half_cells import half_cells, shading
from tinv_tui.app.keys import name_of
from tinv_tui.app.link import draws_pictures
from tinv_tui.app.thrift import forget_colours

_USUAL_CELL = 1, 2
"""Only its shape counts."""
_FINER = 2
"""A picture is read at so many pixels for one that is drawn: a photograph decoded whole takes 36 MB and a quarter second."""


@dataclass(frozen=True)
class _Drawing:
    strips: list[Strip] = field(default_factory=list)
    """The characters; always there, since below a dialog, or where something covers a part, they are what is seen."""
    sixels: str = ""
    png: bytes = b""


class Picture(Widget):
    """Shows one image file, its shape kept; read in a thread, painted once.

    One that nobody asked for ``waits`` on a slow link, until pictures are asked for.
    """

    DEFAULT_CSS = "Picture { height: 1fr; width: 1fr; min-height: 2; }"
    ALLOW_SELECT = False

    def __init__(self, *, id: str, empty: str = "", waits: bool = False) -> None:
        super().__init__(id=id)
        self._waits = waits
        self._empty = empty
        self._path: Path | None = None
        self._drawn: tuple[object, ...] = ()
        self._drawing = _Drawing()
        self._placeholders: list[Strip] = []
        self._kitty_id = 0
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
        return bool(self._drawing.strips)

    def show(self, path: Path | None) -> None:
        if path != self._path:
            self._path = path
            self.settle()

    def on_resize(self) -> None:
        self.settle()

    def on_unmount(self) -> None:
        self._forget()

    @property
    def _is_held_back(self) -> bool:
        return self._waits and self._path is not None and not draws_pictures(self.app)

    # ----- drawing

    def settle(self, *, anew: bool = False) -> None:
        """Draw what should be seen now, if it is not yet."""
        held_back, (width, height) = self._is_held_back, self.size
        path = None if held_back else self._path
        wanted = path, width, height, held_back
        if (wanted == self._drawn and not anew) or not width or not height:
            return
        self._drawn = wanted
        # Not the coroutine itself: where the screen closes at once, nobody would await it.
        reading: WorkType[None] = partial(self._read, path, width, height)
        in_background(self, reading, group="picture", exclusive=True)

    async def _read(self, path: Path | None, width: int, height: int) -> None:
        drawing, problem = _Drawing(), ""
        if path is not None:
            left = threading.Event()
            try:
                drawing = await asyncio.to_thread(self._draw, path, width, height, left)
            except Exception as error:  # noqa: BLE001  a decoder may fail in its own way on a broken file
                problem = f"cannot be shown ({type(error).__name__})"
            finally:
                left.set()
        self._drawing, self._problem = drawing, problem
        forget_colours()  # of the picture before
        self._place()
        self.refresh()

    def _draw(self, path: Path, width: int, height: int, left: threading.Event) -> _Drawing:
        """In a thread; nothing once nobody waits for it any more."""
        if left.is_set():
            return _Drawing()
        from tinv_tui.datasets.decoding import open_flat  # with Pillow and numpy 0.15 s, so not before it is needed

        app = self.app
        in_pixels = draws_sixel(app) or draws_kitty(app)
        image = open_flat(path, at_least=LONGEST_SIDE if in_pixels else max(width, 2 * height) * _FINER)
        pixels = graphics.cell_pixels() if in_pixels else None
        if pixels is not None and draws_sixel(app):
            width, height = min(width, LONGEST_SIDE // pixels[0]), min(height, LONGEST_SIDE // pixels[1])
        columns, rows = _cells(image.size, width, height, pixels or _USUAL_CELL)
        if draws_ascii(app):
            return _Drawing(shading(image, columns, rows, is_dark=app.current_theme.dark))
        strips = half_cells(image, columns, rows)
        if draws_kitty(app):
            across, down = (
                (columns * pixels[0], rows * pixels[1]) if pixels is not None else (LONGEST_SIDE, LONGEST_SIDE)
            )
            image.thumbnail((min(across, LONGEST_SIDE), min(down, LONGEST_SIDE)))  # kitty makes it larger itself
            return _Drawing(strips, png=kitty.png_of(image))
        if pixels is not None:
            from tinv_tui.app.sixel import encode_sixel

            return _Drawing(strips, encode_sixel(image.resize((columns * pixels[0], rows * pixels[1]))))
        return _Drawing(strips)

    def _place(self) -> None:
        """Hand the picture to kitty, if it is kitty's."""
        strips, png = self._drawing.strips, self._drawing.png
        self._placeholders = []
        if not png:
            self._forget()
            return
        self._kitty_id = self._kitty_id or kitty.new_id()
        columns, rows = strips[0].cell_length, len(strips)
        self._write(kitty.send(self._kitty_id, png, columns, rows))
        self._placeholders = kitty.placeholders(self._kitty_id, columns, rows)

    def _forget(self) -> None:
        if self._kitty_id:
            self._write(kitty.forget(self._kitty_id))
            self._kitty_id = 0

    def _write(self, sequence: str) -> None:
        if self.app._driver is not None:
            self.app._driver.write(sequence)

    # ----- painting

    @property
    def _box(self) -> Region:
        """Where in the widget the picture is."""
        strips = self._drawing.strips
        width, height = strips[0].cell_length if strips else 0, len(strips)
        return Region((self.size.width - width) // 2, (self.size.height - height) // 2, width, height)

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        if not self._drawing.strips:
            lacking = "" if self._path is not None else self._empty  # one that is being read is there
            said = f"{name_of('app.pictures')} draws it" if self._is_held_back else self._problem or lacking
            text = said if y == self.size.height // 2 else ""
            pad = max(0, (self.size.width - len(text)) // 2)
            return Strip([Segment(" " * pad + text, base)]).adjust_cell_length(self.size.width, base)
        box = self._box
        if not box.y <= y < box.bottom:
            return Strip.blank(self.size.width, base)
        strip = self._drawing.strips[y - box.y]
        return Strip([Segment(" " * box.x, base), *strip.apply_style(base)]).adjust_cell_length(self.size.width, base)

    def render_lines(self, crop: Region) -> list[Strip]:
        """With kitty's placeholders instead of half cells, unless this is seen through a dialog, which tints colours."""
        strips = super().render_lines(crop)
        box = self._box
        is_whole = box.x >= 0 and crop.width == self.size.width
        if not self._placeholders or not is_whole or self.screen is not self.app.screen:
            return strips
        for place, y in enumerate(range(crop.y, crop.bottom)):
            if box.y <= y < box.bottom:
                row, placed = strips[place], self._placeholders[y - box.y]
                strips[place] = Strip.join([row.crop(0, box.x), placed, row.crop(box.right, crop.width)])
        return strips

    def sixels_over(self, painted: Sequence[Region]) -> str:
        """The sequence that lays the sixels over the half cells, where those were painted and all of them are in sight.

        Not down to the last row, where they would move the screen.
        """
        screen, sixels = self.screen, self._drawing.sixels
        if not sixels:
            return ""
        for widget, (region, clip) in screen._compositor.visible_widgets.items():  # from the front to the back
            if widget is self:
                box = self._box.translate(region.offset)
                fits = region.intersection(clip).contains_region(box) and box.bottom < screen.size.height
                is_due = fits and any(region.overlaps(box) for region in painted)
                return f"\x1b7\x1b[{box.y + 1};{box.x + 1}H{sixels}\x1b8" if is_due else ""
            if region.overlaps(self.region):
                return ""
        return ""


def _cells(size: tuple[int, int], width: int, height: int, cell: tuple[int, int]) -> tuple[int, int]:
    """How many columns and rows a picture of that size takes in the room there is, with cells of this shape."""
    scale = min(width * cell[0] / size[0], height * cell[1] / size[1])
    return max(1, round(size[0] * scale / cell[0])), max(1, round(size[1] * scale / cell[1]))


def sixels_after(screen: Screen[Any], update: object) -> str:
    """What is to be written after an update of the screen, which has painted over sixels with what is below them."""
    if isinstance(update, ChopsUpdate):
        painted = [Region(x, y, end - x, 1) for y, x, end in update.spans]
    else:
        painted = [update.region if isinstance(update, LayoutUpdate) else screen.size.region]
    return "".join(picture.sixels_over(painted) for picture in screen.query(Picture))
