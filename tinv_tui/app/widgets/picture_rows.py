"""How a picture of the dataset is told in one row, what is wrong with it in a few, and all of them in a few words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinv_tui.app.wording import Line, Piece, cells, column
from tinv_tui.printable import many, wrapped

if TYPE_CHECKING:
    from tinv_tui.datasets.findings import Finding
    from tinv_tui.datasets.pictures import PictureEntry

_NAME_WIDTH, _LEAST_NAME_WIDTH = 16, 7
_SAID_WIDTH = 14
"""A name has so much, and what is said beside it and its size, where not all of it has room."""
_MARKS = {"error": ("✖", "bad"), "warning": ("!", "warning"), "information": ("·", "label")}
_LESS_TELLING = ("caption-missing", "not-square")
"""Shown beside a file only where there is nothing else: the row says so already."""


@dataclass(frozen=True)
class Told:
    """A picture, and what is known of it."""

    picture: PictureEntry
    findings: Sequence[Finding]
    is_left_out: bool
    trained: tuple[int, int] | None
    """The size it is trained at, where that is known."""


def picture_rows(told: Sequence[Told], width: int) -> list[Line]:
    """A row for each, in a list that is so wide: names have the room that is left beside what is said of them."""
    sizes = max((len(size_text(one.picture)) for one in told), default=0)
    said = [_said(one, sizes) for one in told]
    readable = [line for one, line in zip(told, said, strict=True) if one.picture.problem is None]
    left = width - 2 - 1 - max((sum(len(text) for text, _ in line) for line in readable), default=0)
    room = max(_LEAST_NAME_WIDTH, min(_NAME_WIDTH, width - sizes - _SAID_WIDTH - 4), left)
    names = min(room, max((cells(one.picture.path.name) for one in told), default=0))
    roles = ["faint" if one.is_left_out else "label" if one.picture.problem is not None else "" for one in told]
    return [
        ((column(one.picture.path.name, names) + " ", role), *line)
        for one, role, line in zip(told, roles, said, strict=True)
    ]


def _said(told: Told, sizes: int) -> Line:
    picture = told.picture
    if told.is_left_out:
        return (("○ left out", "label"),)
    if picture.problem is not None:
        return ((f"✖ {picture.problem}", "bad"),)
    size = (f"{size_text(picture):<{sizes}} ", "label")
    mark = _mark(told.findings)
    if mark is not None:
        return (size, ("✔ " if picture.caption else "– ", "good" if picture.caption else "warning"), mark)
    said = ("✔ caption", "good") if picture.caption else ("– no caption", "warning")
    trained = told.trained
    same = trained is None or trained[0] * picture.height == trained[1] * picture.width
    shape = "" if trained is None or same else f" → {trained[0]}×{trained[1]}"
    return (size, said, (shape, "label"))


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
        first, *more = wrapped(text, width - 2)
        lines += [((f"{sign} ", role), (first, "")), *(((f"  {row}", ""),) for row in more)]
        if finding.severity != "information":
            lines += [((f"  {row}", "label"),) for row in wrapped(finding.hint, width - 2)]
    return lines


def size_text(picture: PictureEntry) -> str:
    return f"{picture.width}²" if picture.width == picture.height else f"{picture.width}×{picture.height}"


def summary(pictures: Sequence[PictureEntry]) -> str:
    """Of the pictures that are trained on."""
    if not pictures:
        return ""
    captions = sum(bool(picture.caption) for picture in pictures)
    return f"{len(pictures)} · {many(captions, 'caption')}"
