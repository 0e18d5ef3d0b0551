"""Rows of words in columns: as narrow as their words, and no wider than the terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence

from tinv_tui.printable import cells, filled, printable

_GAP = "  "


def terminal_width() -> int | None:
    """Of the terminal that stdout is; None where it is a file or a pipe, whose lines may be of any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def in_columns(rows: Sequence[Sequence[str]], name: int, numbers: Sequence[int], width: int | None) -> Iterator[str]:
    """Lines of columns; those in ``numbers`` end at their right side. Nothing is cut off.

    Where ``width`` does not do, names (the column ``name``) give way: the row of one that is too long for its column goes on
    in a second line, below the others' columns.
    """
    table = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(cells, column)) for column in zip(*table, strict=True)]
    if width is not None:
        spare = width - sum(widths) - len(_GAP) * (len(widths) - 1)
        shortest = min(cells(row[name]) for row in table)
        widths[name] = max(shortest, widths[name] + min(0, spare))

    def padded(row: Sequence[str], columns: range) -> str:
        def cell(at: int) -> str:
            return " " * (widths[at] - cells(row[at])) + row[at] if at in numbers else filled(row[at], widths[at])

        return _GAP.join(map(cell, columns))

    for row in table:
        if cells(row[name]) <= widths[name]:
            yield padded(row, range(len(row))).rstrip()
            continue
        yield padded(row, range(name + 1))
        yield padded([*[""] * (name + 1), *row[name + 1 :]], range(len(row))).rstrip()
