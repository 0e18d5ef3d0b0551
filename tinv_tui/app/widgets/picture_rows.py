"""How a picture of the dataset is told in one row, what is wrong with it in a few, and all of them in a few words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tinv_tui.app.wording import Line, Piece, cut

if TYPE_CHECKING:
    from tinv_tui.datasets.findings import Finding
    from tinv_tui.datasets.pictures import PictureEntry

_NAME_WIDTH, _LEAST_NAME_WIDTH = 16, 7
_SAID_WIDTH = 14
"""What is said of a picture beside its name and size takes so much."""
_MARKS = {"error": ("✖", "bad"), "warning": ("!", "warning"), "information": ("·", "label")}
_LESS_TELLING = ("caption-missing", "not-square")
"""Shown beside a file only where there is nothing else: the row says so already."""


def column_widths(pictures: Sequence[PictureEntry], width: int) -> tuple[int, int]:
    """Of names and of sizes, in a list that is so wide."""
    sizes = max((len(size_text(picture)) for picture in pictures), default=0)
    room = min(_NAME_WIDTH, max(_LEAST_NAME_WIDTH, width - sizes - _SAID_WIDTH - 4))
    return min(room, max((len(picture.path.name) for picture in pictures), default=0)), sizes


def picture_row(
    picture: PictureEntry,
    findings: Sequence[Finding],
    trained: tuple[int, int] | None,
    widths: tuple[int, int],
    *,
    is_left_out: bool,
) -> Line:
    """``trained`` is the size it is trained at, where that is known."""
    name = f"{cut(picture.path.name, widths[0]):<{widths[0]}} "
    if is_left_out:
        return ((name, "faint"), ("○ left out", "label"))
    if picture.problem is not None:
        return ((name, "label"), (f"✖ {picture.problem}", "bad"))
    head: Line = ((name, ""), (f"{size_text(picture):<{widths[1]}} ", "label"))
    mark = _mark(findings)
    if mark is not None:
        return (*head, ("✔ " if picture.caption else "– ", "good" if picture.caption else "warning"), mark)
    said = ("✔ caption", "good") if picture.caption else ("– no caption", "warning")
    same = trained is None or trained[0] * picture.height == trained[1] * picture.width
    shape = "" if trained is None or same else f" → {trained[0]}×{trained[1]}"
    return (*head, said, (shape, "label"))


def _mark(findings: Sequence[Finding]) -> Piece | None:
    """The most telling of a picture's faults, and how many more there are."""
    telling = [f for f in findings if f.severity != "information" and f.code not in _LESS_TELLING]
    if not telling:
        return None
    more = f" +{len(telling) - 1}" if len(telling) > 1 else ""
    sign, role = _MARKS[telling[0].severity]
    return f"{sign} {telling[0].kind.mark}{more}", role


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    order = list(_MARKS)
    return sorted(findings, key=lambda finding: (order.index(finding.severity), finding.code in _LESS_TELLING))


def finding_lines(findings: Sequence[Finding], width: int) -> list[Line]:
    """What is wrong and what to do about it, in rows of that width."""
    lines: list[Line] = []
    for finding in findings:
        sign, role = _MARKS[finding.severity]
        text = finding.message if finding.file is not None else f"all: {finding.message}"
        first, *more = textwrap.wrap(text, width - 2)
        lines += [((f"{sign} ", role), (first, "")), *(((f"  {row}", ""),) for row in more)]
        if finding.severity != "information":
            lines += [((f"  {row}", "label"),) for row in textwrap.wrap(finding.hint, width - 2)]
    return lines


def size_text(picture: PictureEntry) -> str:
    return f"{picture.width}²" if picture.width == picture.height else f"{picture.width}×{picture.height}"


def summary(pictures: Sequence[PictureEntry]) -> str:
    """Of the pictures that are trained on."""
    if not pictures:
        return ""
    captions = sum(bool(picture.caption) for picture in pictures)
    return f"{len(pictures)} · {captions} caption{'' if captions == 1 else 's'}"
