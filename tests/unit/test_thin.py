"""What is sent to a terminal in place of what Textual writes: the same picture, in fewer bytes."""

from __future__ import annotations

import io
import random
import re
from typing import Any

import pytest
from rich.color import Color
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region, Size
from textual.strip import Strip

from tinv_tui.app.thin import KnownRows, Thinner

CONSOLE = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", legacy_windows=False)
SIZE = Size(12, 3)


def picture(stream: str) -> dict[tuple[int, int], tuple[str, ...]]:
    """The cells that a terminal shows after all that: a letter with its style, of a blank what can be seen of it."""
    cells: dict[tuple[int, int], tuple[str, ...]] = {}
    row = column = 0
    on, text, ground = set[str](), "", ""
    for found in re.finditer(r"\x1b\[([0-9;]*)m|\x1b\[([0-9]+);([0-9]+)H|(\r\n)|(\x1b.)|(.)", stream):
        style, to_row, to_column, line_end, other, letter = found.groups()
        if style is not None:
            parts = (style or "0").split(";")
            while parts:
                part = parts.pop(0)
                if part in ("38", "48"):
                    colour = "".join(f"{parts.pop(0)} " for _ in range(4 if parts[0] == "2" else 2))
                    text, ground = (colour, ground) if part == "38" else (text, colour)
                elif part == "0":
                    on, text, ground = set(), "", ""
                elif part in ("39", "49"):
                    text, ground = ("", ground) if part == "39" else (text, "")
                elif 30 <= int(part) < 38 or 90 <= int(part) < 98:
                    text = part
                elif 40 <= int(part) < 48 or 100 <= int(part) < 108:
                    ground = part
                else:
                    on.add(part)
        elif to_row is not None:
            row, column = int(to_row) - 1, int(to_column) - 1
        elif line_end is not None:
            row, column = row + 1, 0
        elif other is not None:
            cells[row, column] = (other,)
        else:
            seen = on if letter != " " else on & {"4", "7", "9"}
            cells[row, column] = (letter, ground, *sorted(seen), *([text] if letter != " " or seen else []))
            column += 1
    return cells


def random_style(choose: random.Random) -> Style:
    colours = [None, Color.from_rgb(1, 2, 3), Color.from_rgb(31, 0, 48), Color.from_ansi(1), Color.from_ansi(200)]
    return Style.from_color(choose.choice(colours), choose.choice(colours)) + Style(
        bold=choose.random() < 0.3 or None, underline=choose.random() < 0.2 or None, dim=choose.random() < 0.2 or None
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_picture_is_the_same_whatever_is_written_in_whatever_pieces(seed: int) -> None:
    choose = random.Random(seed)
    written = list[str]()
    for _ in range(60):
        style, words = random_style(choose), choose.choice(["ab", "   ", "x y", "─", "\x1b7"])
        written.append(style.render(words, color_system=CONSOLE._color_system))
        if choose.random() < 0.3:
            written.append(f"\r\n\x1b[{choose.randint(1, 9)};{choose.randint(1, 9)}H")
    thinner, whole = Thinner(), "".join(written)
    sent = ""
    while written:
        count = choose.randint(1, 9)
        sent += thinner.thin("".join(written[:count]))
        del written[:count]
    assert picture(sent) == picture(whole)
    assert len(sent) < len(whole)


def test_only_what_differs_of_a_style_is_sent() -> None:
    written = (
        "\x1b[38;2;9;9;9;48;2;1;1;1mab\x1b[0m\x1b[38;2;9;9;9;48;2;1;1;1mcd\x1b[0m\x1b[38;2;7;7;7;48;2;1;1;1mef\x1b[0m"
    )
    assert Thinner().thin(written) == "\x1b[0;38;2;9;9;9;48;2;1;1;1mabcd\x1b[38;2;7;7;7mef"


def test_what_it_does_not_know_goes_through_behind_the_style_it_was_written_in() -> None:
    thinner = Thinner()
    assert thinner.thin("\x1b[1mab\x1b[0m\x1b[?1049l") == "\x1b[0;1mab\x1b[m\x1b[?1049l"
    assert thinner.thin("\x1b[22mab\x1b[0mcd") == "\x1b[22mab\x1b[mcd"


def frame(*rows: str) -> LayoutUpdate:
    return LayoutUpdate([[Strip([Segment(row, Style(bold=True))])] for row in rows], SIZE.region)


def sent(known: KnownRows, update: object, size: Size = SIZE) -> str:
    changed: Any = known.changed(update, size, CONSOLE)
    return re.sub(r"\x1b\[[0-9;]*m", "", changed.render_segments(CONSOLE))


def test_of_a_whole_screen_the_rows_that_are_there_already_are_not_sent_again() -> None:
    known = KnownRows()
    assert sent(known, frame("one", "two", "three")) == "\x1b[1;1Hone\x1b[2;1Htwo\x1b[3;1Hthree"
    assert sent(known, frame("one", "two", "three")) == ""
    assert sent(known, frame("one", "TWO", "three")) == "\x1b[2;1HTWO"


def test_a_row_is_sent_again_after_a_part_of_it_was_drawn() -> None:
    known = KnownRows()
    sent(known, frame("one", "two", "three"))
    part = ChopsUpdate([{}, {0: Strip([Segment("T")])}, {}], [(1, 0, 1)], [[], [1], []])
    assert "T" in sent(known, part)
    assert sent(known, frame("one", "two", "three")) == "\x1b[2;1Htwo"


@pytest.mark.parametrize("what", ["size", "forgotten", "another update"])
def test_all_is_sent_again_where_something_else_may_have_been_drawn(what: str) -> None:
    known = KnownRows()
    first = sent(known, frame("one", "two", "three"))
    if what == "size":
        wider = Size(13, 3)
        sent(known, LayoutUpdate(frame("one", "two", "three").strips, wider.region), wider)
    elif what == "forgotten":
        known.forget()
    else:
        sent(known, LayoutUpdate([[Strip([Segment("x")])]], Region(1, 1, 1, 1)))
    assert sent(known, frame("one", "two", "three")) == first
