"""Pictures as sixels and kitty graphics: what is sent draws that picture, and where it would not is told."""

from __future__ import annotations

import base64
import io
import re

import pytest
from PIL import Image, ImageDraw

from tinv_tui.app import graphics, kitty
from tinv_tui.app.graphics import Pictures, Tmux, why_not
from tinv_tui.app.sixel import encode_sixel

KITTY = {"TERM": "xterm-kitty"}
XTERM = {"TERM": "xterm-256color"}


def picture(width: int, height: int) -> Image.Image:
    image = Image.new("RGB", (width, height), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    draw.ellipse((3, 2, width - 9, height - 2), (255, 0, 0))
    draw.rectangle((0, 0, 9, 4), (0, 51, 102))
    return image


def drawn(sequence: str) -> Image.Image:
    """What a terminal makes of sixels."""
    head = re.match(r'\x1bP0;1;0q"1;1;(\d+);(\d+)', sequence)
    assert head is not None
    assert sequence.endswith("\x1b\\")
    image = Image.new("RGB", (int(head[1]), int(head[2])), (1, 2, 3))
    colours, colour, x, top = {}, 0, 0, 0
    for part in re.finditer(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)(.)|([?-~])|(\$)|(-)", sequence[head.end() : -2]):
        if part[1]:
            colours[int(part[1])] = tuple(round(int(part[n]) * 2.55) for n in (2, 3, 4))
        elif part[5]:
            colour = int(part[5])
        elif part[9] or part[10]:
            x, top = 0, top + (6 if part[10] else 0)
        else:
            count, bits = int(part[6] or 1), ord(part[7] or part[8]) - 63
            for row in (row for row in range(6) if bits >> row & 1):
                image.paste(colours[colour], (x, top + row, x + count, top + row + 1))
            x += count
    return image


@pytest.mark.parametrize("size", [(40, 24), (37, 29)])
def test_sixels_draw_every_pixel_of_the_picture(size: tuple[int, int]) -> None:
    image = picture(*size)
    assert drawn(encode_sixel(image)).tobytes() == image.tobytes()


def test_kitty_is_handed_the_picture_in_chunks_and_does_not_answer() -> None:
    image = Image.effect_noise((120, 80), 90)
    sent = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", kitty.send(258, kitty.png_of(image), 12, 4))
    assert sent[0][0] == "a=T,U=1,f=100,i=258,c=12,r=4,q=2,m=1"
    assert {keys for keys, _ in sent[1:-1]} == {"q=2,m=1"}
    assert sent[-1][0] == "q=2,m=0"
    assert all(len(data) <= 4096 for _, data in sent)
    got = Image.open(io.BytesIO(base64.standard_b64decode("".join(data for _, data in sent))))
    assert got.tobytes() == image.tobytes()


def test_in_tmux_what_is_for_kitty_is_passed_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX", "/tmp/tmux-0/default,1,0")
    assert kitty.forget(258) == "\x1bPtmux;\x1b\x1b_Ga=d,d=I,i=258,q=2\x1b\x1b\\\x1b\\"


def test_a_placeholder_is_one_cell_that_names_row_column_and_picture() -> None:
    rows = kitty.placeholders(2 << 24 | 7, 200, 3)
    assert [strip.cell_length for strip in rows] == [200] * 3
    cells = list(rows[1])
    assert cells[2].text == "\U0010eeee\u030d\u030e\u030e"
    assert {cell.cell_length for row in rows for cell in row} == {1}
    assert cells[2].style is not None
    assert cells[2].style.color is not None
    assert cells[2].style.color.number == 7


def test_each_picture_has_a_number_of_its_own() -> None:
    numbers = {kitty.new_id() for _ in range(2000)}
    assert len(numbers) == 2000
    assert all(1 <= number & 0xFFFFFF <= 15 and 1 <= number >> 24 <= 255 for number in numbers)


@pytest.mark.parametrize(
    ("wanted", "environment", "says"),
    [
        ("half-cells", {}, None),
        ("sixel", XTERM, None),
        ("kitty", KITTY, None),
        ("kitty", {"TERM": "xterm-ghostty"}, None),
        ("kitty", XTERM | {"KITTY_WINDOW_ID": "1"}, None),
        ("kitty", XTERM, "TERM=xterm-256color this is neither kitty nor Ghostty"),
        ("sixel", {"TERM": "linux"}, "TERM=linux cannot draw that"),
        ("sixel", XTERM | {"STY": "1.pts"}, "GNU screen"),
        ("sixel", XTERM | {"TMUX": "x"}, "in tmux sixels vanish"),
        ("sixel", XTERM | {"TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver"}, "a browser cannot"),
        ("kitty", KITTY | {"TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver"}, "a browser cannot"),
    ],
)
def test_where_pictures_cannot_be_drawn_as_wanted_is_known_without_asking_the_terminal(
    wanted: Pictures, environment: dict[str, str], says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphics, "cell_pixels", lambda: (10, 20))
    problem = why_not(wanted, environment, is_ascii=False)
    assert (problem is None) if says is None else problem is not None and says in problem.message


@pytest.mark.parametrize("wanted", ["sixel", "kitty"])
def test_with_ascii_glyphs_there_is_shading_alone(wanted: Pictures) -> None:
    problem = why_not(wanted, KITTY, is_ascii=True)
    assert problem is not None
    assert "glyphs are ASCII" in problem.message


@pytest.mark.parametrize(
    ("tmux", "says"),
    [
        (Tmux(True, "xterm-kitty"), None),
        (Tmux(False, "xterm-kitty"), "tmux set -g allow-passthrough all"),
        (Tmux(True, "xterm-256color"), "neither kitty nor Ghostty"),
    ],
)
def test_in_tmux_kitty_graphics_need_to_be_let_through(
    tmux: Tmux, says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphics, "ask_tmux", lambda: tmux)
    problem = why_not("kitty", {"TERM": "tmux-256color", "TMUX": "x"}, is_ascii=False)
    assert (problem is None) if says is None else problem is not None and says in f"{problem.message} {problem.hint}"


def test_without_the_size_of_a_cell_there_are_no_sixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphics, "cell_pixels", lambda: None)
    problem = why_not("sixel", XTERM, is_ascii=False)
    assert problem is not None
    assert "how large its cells are" in problem.message
