"""Has rich and Textual keep less of what they drew: a viewer is open for days, and others need the memory."""

from __future__ import annotations

from typing import Any, TypeVar

from rich.cells import cached_cell_len
from rich.color import Color
from rich.style import Style
from textual import strip
from textual.cache import FIFOCache
from textual.filter import ANSIToTruecolor
from textual.strip import Strip

from tinv_tui.allocator import give_back_freed

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_NOTHING: dict[Any, Any] = {}
"""Never written to."""
_REMEMBERED = (
    Color.downgrade,
    Color.get_ansi_codes,
    Style._add,
    ANSIToTruecolor.truecolor_style,
    Strip.render_ansi,
    cached_cell_len,
)


class _LateCache(FIFOCache[_Key, _Value]):
    """Has no dictionary of its own before something is put in. A strip has seven of these, and most stay empty."""

    __slots__ = ()

    def __init__(self, maxsize: int) -> None:
        super().__init__(maxsize)
        self._cache = _NOTHING

    def set(self, key: _Key, value: _Value) -> None:
        if self._cache is _NOTHING:
            self._cache = {}
        super().set(key, value)

    __setitem__ = set


def make_strips_small() -> None:
    """To be called before the first is drawn: thousands are kept, and this is a third of what each takes."""
    vars(strip)["FIFOCache"] = _LateCache


def forget_colours() -> None:
    """Let go of what was remembered of each style, up to 16,384 of them, and width.

    Each cell of a picture has a style of its own, seen once; those of the rest of the screen are soon made again.
    """
    for remembered in _REMEMBERED:
        remembered.cache_clear()
    give_back_freed()
