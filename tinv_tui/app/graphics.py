"""How pictures are drawn: as half cells, or by choice as sixels or kitty graphics, where the terminal is known to take them.

The terminal is never asked: its answer, late over a slow line, would be typed into whatever has the focus.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from textual.app import App

from tinv_tui.errors import InputError

Pictures = Literal["half-cells", "sixel", "kitty"]
PICTURES: tuple[Pictures, ...] = get_args(Pictures)
SIXEL, KITTY = "-sixel", "-kitty"
"""The app's class where pictures are drawn so, instead of as half cells."""

LONGEST_SIDE = 1000
"""In pixels: xterm cuts off what is larger, and it would be sent for nothing where pictures have 512."""
_TMUX_SECONDS = 2.0
_LET_THROUGH = "Do this, and open the app again: tmux set -g allow-passthrough all (on before tmux 3.4)."


def draws_sixel(app: App[Any]) -> bool:
    return app.has_class(SIXEL)


def draws_kitty(app: App[Any]) -> bool:
    return app.has_class(KITTY)


def cell_pixels() -> tuple[int, int] | None:
    """How wide and high a cell of this terminal is; None where the terminal does not tell."""
    import termios
    from fcntl import ioctl
    from struct import unpack

    for stream in (sys.__stdin__, sys.__stderr__, sys.__stdout__):
        try:
            answer = ioctl(stream.fileno(), termios.TIOCGWINSZ, bytes(8)) if stream else bytes(8)
        except (OSError, ValueError):
            continue
        rows, columns, width, height = unpack("HHHH", answer)
        if rows and columns and width >= columns and height >= rows:
            return width // columns, height // rows
    return None


@dataclass(frozen=True)
class Tmux:
    """What tmux says of the window the app is in."""

    passes_through: bool
    outer_terminal: str
    """TERM of the terminal tmux itself is in."""


def ask_tmux() -> Tmux:
    command = ["tmux", "display-message", "-p", "#{allow-passthrough} #{client_termname}"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=_TMUX_SECONDS, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    allowed, _, terminal = said.strip().partition(" ")
    return Tmux(allowed in ("on", "all", "1", "2"), terminal)


def why_not(wanted: Pictures, environment: Mapping[str, str], *, is_ascii: bool) -> InputError | None:
    """Why pictures cannot be drawn as wanted here, and what to do; None where they can."""
    if wanted == "half-cells":
        return None
    term = environment.get("TERM", "")
    if is_ascii:
        return _no(wanted, "glyphs are ASCII, in which they are shading", '[app] glyphs = "unicode" changes that.')
    if "web_driver" in environment.get("TEXTUAL_DRIVER", ""):
        return _no(wanted, "a browser cannot draw that", "Open the app in a terminal for it.")
    if "STY" in environment or term in ("linux", "dumb", ""):
        where = "GNU screen" if "STY" in environment else f"a terminal with TERM={term}"
        return _no(wanted, f"{where} cannot draw that", "Open the app in a terminal that can, without screen.")
    if wanted == "sixel":
        if "TMUX" in environment:
            return _no(wanted, "in tmux sixels vanish, or stay", "Leave tmux for it, or use kitty graphics in kitty.")
        if cell_pixels() is None:
            return _no(
                wanted, "the terminal does not say how large its cells are", "Nothing helps but another terminal."
            )
        return None
    if "TMUX" in environment:
        said = ask_tmux()
        if not said.passes_through:
            return _no(wanted, "tmux lets none through", _LET_THROUGH)
        return None if _is_kitty(said.outer_terminal, {}) else _not_kitty(wanted, said.outer_terminal)
    return None if _is_kitty(term, environment) else _not_kitty(wanted, term)


def _is_kitty(term: str, environment: Mapping[str, str]) -> bool:
    """Only these two place pictures by characters."""
    return "kitty" in term or "ghostty" in term or "KITTY_WINDOW_ID" in environment


def _not_kitty(wanted: Pictures, term: str) -> InputError:
    hint = "If it is one of them, set TERM=xterm-kitty or TERM=xterm-ghostty first."
    return _no(wanted, f"by its TERM={term} this is neither kitty nor Ghostty", hint)


def _no(wanted: Pictures, reason: str, hint: str) -> InputError:
    return InputError("pictures-unfit", f"pictures are not drawn as {wanted}: {reason}", hint)
