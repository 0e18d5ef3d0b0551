"""Numbers and states as the screen writes them: short, and of a width that does not jump about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tinv_tui.printable import cells as cells
from tinv_tui.printable import column as column
from tinv_tui.printable import cut as cut

Piece = tuple[str, str]
"""Text and its role: "" (plain), label, value, accent, good, warning, bad, faint or chart."""
Line = tuple[Piece, ...]

DASH = "–"

STATES: Final[dict[str, tuple[str, str]]] = {
    "starting": ("◌", "accent"),
    "running": ("●", "good"),
    "paused": ("◐", "warning"),
    "not-responding": ("!", "bad"),
    "lost": ("?", "bad"),
    "finished": ("✔", "good"),
    "stopped": ("■", "label"),
    "failed": ("✖", "bad"),
}
"""Mark and role of each state; the word always stands beside the mark."""


def state_piece(state: str) -> Piece:
    mark, role = STATES.get(state, ("?", "bad"))
    return f"{mark} {state.replace('-', ' ')}", role


def count(number: int) -> str:
    """``12 400``: a space is a thousands mark everywhere."""
    return f"{number:,}".replace(",", " ")


def loss(value: float | None) -> str:
    """Six characters."""
    if value is None:
        return f"{DASH:<6}"
    return f"{value:.4f}" if value < 10 else f"{value:<6.4g}"


def rate(value: float | None) -> str:
    return DASH if value is None else f"{value:g}"


def speed(steps_per_second: float | None) -> str:
    if not steps_per_second:
        return f"{DASH}/s"
    digits = 0 if steps_per_second >= 100 else 1 if steps_per_second >= 10 else 2
    return f"{steps_per_second:.{digits}f}/s"


def duration(seconds: float | None) -> str:
    """``45s``, ``12m``, ``1h30m``, ``3d4h``."""
    if seconds is None:
        return DASH
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours < 48 else f"{hours // 24}d{hours % 24}h"


def gib(amount: int) -> str:
    """A number of GiB, without the unit: ``6.4``, ``139``."""
    value = amount / 2**30
    return f"{value:.1f}" if value < 99.5 else f"{value:.0f}"


def memory(amount: int | None) -> str:
    """``512M`` or ``6.4G``."""
    if amount is None:
        return DASH
    return f"{amount / 2**20:.0f}M" if amount < 2**30 else f"{gib(amount)}G"


def bytes_done(done: int, total: int, bytes_per_second: float | None) -> str:
    """``1.2G/4.0G  310M/s  9s left``."""
    text = f"{memory(done)}/{memory(total)}"
    if bytes_per_second:
        text += f"  {memory(round(bytes_per_second))}/s  {duration((total - done) / bytes_per_second)} left"
    return text


def tokens_piece(tokens: int) -> Piece:
    """How much of the text encoder's window a prompt takes."""
    chunks = -(-tokens // 75)
    if chunks > 1:
        return f"{tokens} tokens, {chunks} chunks of 75", "warning"
    return f"{tokens} of 75 tokens", "accent"


def bar(share: float, width: int) -> tuple[str, str]:
    """A meter of ``width`` cells: its filled part and its empty part."""
    filled = round(min(max(share, 0.0), 1.0) * width)
    return "█" * filled, "░" * (width - filled)


def cut_line(line: Line, width: int) -> Line:
    """The line, with an ellipsis where it is longer; blanks at its end may be cut off without."""
    if cells("".join(text for text, _ in line).rstrip()) <= width:
        return line
    kept, room = list[Piece](), width
    for text, role in line:
        if cells(text) >= room:
            return (*kept, (cut(text + " ", room), role))
        kept.append((text, role))
        room -= cells(text)
    return tuple(kept)


def short_path(text: str) -> str:
    """A path with ``~`` for the user's own folder."""
    home = str(Path.home())
    return "~" + text[len(home) :] if text.startswith(home + "/") else text


def cut_path(text: str, width: int) -> str:
    """A path shortened at its beginning, where it can at a slash: the end tells more."""
    if cells(text) <= width:
        return text
    text = text.rstrip("/")
    parts = text.split("/")
    while len(parts) > 1:
        del parts[0]
        if cells(shorter := "…/" + "/".join(parts)) <= width:
            return shorter
    while text and cells(text) >= width:
        text = text[1:]
    return "…" + text


def flow(pairs: Sequence[tuple[str, str]], width: int) -> list[Line]:
    """Label and value pairs, as many on a line as fit."""
    lines: list[list[Piece]] = [[]]
    used = 0
    for label, value in pairs:
        needs = len(label) + 1 + len(value)
        if used and used + 2 + needs > width:
            lines.append([])
            used = 0
        if used:
            lines[-1].append(("  ", ""))
            used += 2
        lines[-1] += [(f"{label} ", "label"), (value, "value")]
        used += needs
    return [tuple(line) for line in lines]
