"""Numbers, charts and keys of the app, without a screen."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from rich.cells import cell_len

from tinv_tui.app import chart, wording
from tinv_tui.app.chart import Axis, Scale
from tinv_tui.app.keys import KEYS, foot_keys
from tinv_tui.app.modes import MODES
from tinv_tui.app.widgets.picture_rows import Told, picture_rows
from tinv_tui.datasets.pictures import PictureEntry
from tinv_tui.printable import wrapped

# What terminals, tmux, browsers and line editing keep for themselves (or cannot send at all).
AVOID = {f"ctrl+{letter}" for letter in "abcdehijkmntuvwxyz"} | {f"alt+{n}" for n in range(10)} | {"f10", "f11", "f12"}

AS_IN_A_TEXT = {"form.undo", "form.redo"}
"""These edit a form as the same keys edit the text of a template. Where a terminal keeps them, the palette has both."""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (9.4, "9s"), (59.7, "1m"), (5400, "1h30m"), (3599, "1h00m"), (200_000, "2d7h")],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert wording.duration(seconds) == words


@pytest.mark.parametrize(("value", "words"), [(None, "–     "), (0.11324, "0.1132"), (12.5, "12.5  ")])
def test_a_loss_is_six_characters_wide(value: float | None, words: str) -> None:
    assert wording.loss(value) == words


def test_thousands_and_memory() -> None:
    assert wording.count(12_400) == "12 400"
    assert wording.memory(512 * 2**20) == "512M"
    assert wording.memory(int(6.4 * 2**30)) == "6.4G"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("frog", "frog    "),
        ("a long name", "a long …"),
        ("蛙の写真", "蛙の写真"),
        ("蛙の写真集", "蛙の写 …"),
        ("naïve café", "naïve c…"),
    ],
)
def test_a_column_is_as_wide_as_its_cells_whatever_the_writing(text: str, shown: str) -> None:
    assert wording.column(text, 8) == shown
    assert cell_len(shown) == 8


def test_a_path_and_a_row_of_wide_characters_are_cut_by_cells() -> None:
    assert wording.cut_path("/写真/蛙の写真集", 8) == "…写真集"
    assert wording.cut_path("/写真/蛙", 5) == "…/蛙"
    assert wording.cut_line((("蛙の写真", ""), ("集合", "label")), 10) == (("蛙の写真", ""), (" …", "label"))


def test_a_row_that_is_cut_says_so() -> None:
    row = (("model.path  ", ""), ("bundled", "label"))
    assert wording.cut_line(row, 19) == row
    assert wording.cut_line(row, 15) == (("model.path  ", ""), ("bu…", "label"))
    assert wording.cut_line(row, 12) == (("model.path …", ""),)
    blanks = (("a", ""), ("        ", "label"))
    assert wording.cut_line(blanks, 4) == blanks


def test_a_picture_is_named_in_full_where_its_row_has_room_and_else_with_so_much_as_is_left() -> None:
    name = "00000-0-portrait-in-the-snow.png"
    picture = PictureEntry(Path(name), 512, 512, "a cat")
    broken = PictureEntry(Path("b.png"), 0, 0, None, "cannot be read: it is not a picture at all, but a text")
    told = [Told(picture, (), False, (512, 512)), Told(broken, (), False, None)]
    for width, shown in ((60, name), (40, name[:22] + "…"), (20, name[:6] + "…")):
        rows = ["".join(text for text, _ in line) for line in picture_rows(told, width)]
        assert rows[0].startswith(f"{shown} 512² ✔ caption")
        assert len(rows[0]) <= max(width - 2, 22)


def test_a_path_is_shortened_at_a_slash() -> None:
    assert wording.cut_path("/home/me/data/cat512", 14) == "…/data/cat512"
    assert wording.cut_path("/a/b", 10) == "/a/b"


def test_pairs_flow_into_the_width() -> None:
    lines = wording.flow([("train", "0.1132"), ("smooth", "0.1171"), ("eval", "0.1088")], 28)
    assert ["".join(text for text, _ in line) for line in lines] == ["train 0.1132  smooth 0.1171", "eval 0.1088"]


def test_a_chart_reaches_from_bottom_to_top() -> None:
    values = [0.0, 1.0, 2.0, 3.0]
    rows = chart.draw(values, 2, Scale(0.0, 3.0))
    assert rows[-1][0] == "▁"
    assert rows[0][-1] == "█"
    assert all(len(row) == 4 for row in rows)


def test_a_level_curve_is_a_level_line() -> None:
    assert len(set(chart.draw([0.5] * 6, 1, chart.limits([0.5] * 6))[0])) == 1


def test_a_long_history_is_compressed_to_the_width() -> None:
    values = chart.spread(((step, step, float(step)) for step in range(1, 10_001)), Axis(1, 10_000, 30))
    assert len(values) == 30
    assert None not in values
    assert values == sorted(value for value in values if value is not None)


def test_a_loss_every_few_steps_stands_for_those_before_it_and_what_no_loss_stands_for_is_a_gap() -> None:
    values = chart.spread([(1, 5, 3.0), (8, 10, 1.0)], Axis(1, 10, 10))
    assert values == [3.0] * 5 + [None, None] + [1.0] * 3
    assert chart.draw(values, 1, Scale(1.0, 3.0)) == ["█████  ▁▁▁"]
    assert chart.line(values, 1, Scale(1.0, 3.0)) == ["▔▔▔▔▔  ▁▁▁"]


def test_evaluations_are_held_until_the_next_one_and_there_is_none_before_the_first() -> None:
    points = [(20, 3.0), (50, 2.0), (100, 1.0)]
    assert chart.held(points, Axis(1, 100, 10)) == [None] + [3.0] * 3 + [2.0] * 5 + [1.0]


def test_a_logarithmic_scale_gives_each_halving_the_same_height() -> None:
    scale = Scale(0.1, 0.4, log=True)
    assert scale.share(0.2) == pytest.approx(0.5)
    assert scale.value(0.5) == pytest.approx(0.2)
    assert scale.share(0.0) == 0.0


def test_a_schedule_is_drawn_in_stairs_as_wide_as_its_steps() -> None:
    assert chart.stairs(((0.005, 500), (0.001, 1000), (0.004, 500)), 20) == "█" * 5 + "▁" * 10 + "▇" * 5
    assert chart.stairs(((1.0, 3),), 4) == "▄▄▄▄"
    assert chart.stairs((), 4) == ""


def test_a_rate_of_a_few_steps_still_shows() -> None:
    assert chart.stairs(((0.1, 1), (0.001, 99_999)), 10) == "█" + "▁" * 9
    assert len(chart.stairs(tuple((0.1 / n, 1) for n in range(1, 40)), 10)) == 10


def test_no_key_is_one_that_terminals_keep_for_themselves() -> None:
    used = {key for entry in KEYS if entry.id not in AS_IN_A_TEXT for key in entry.keys.split(",")}
    assert not used & AVOID


def test_no_single_printable_key_starts_or_stops_without_asking() -> None:
    for entry in KEYS:
        if entry.id in ("run.start", "form.save"):
            assert all(key.startswith("ctrl+") for key in entry.keys.split(","))
    assert next(k for k in KEYS if k.id == "run.stop").label.endswith("…")


def test_keys_and_ids_are_unique() -> None:
    assert len({k.id for k in KEYS}) == len(KEYS)
    for mode in MODES:
        for pane in {k.pane for k in KEYS}:  # a pane may use a key of its screen, or of another pane, for its own
            here = [k for k in KEYS if k.works_in(mode.name) and k.pane == pane]
            keys = [key for k in here for key in k.keys.split(",")]
            assert len(keys) == len(set(keys))


def test_the_bottom_line_shows_only_what_works_now() -> None:
    typing = foot_keys("train", typing=True, live=True, paused=False)
    assert all(len(key) > 1 for key, _ in typing)
    idle = dict(foot_keys("train", typing=False, live=False, paused=False))
    assert "p" not in idle
    live = foot_keys("train", typing=False, live=True, paused=True)
    assert live[0] == ("p", "go on")
    assert ("e", "caption") not in live
    pane = foot_keys("train", typing=False, live=True, paused=True, pane="dataset-pane")
    assert [key for key, _ in pane].count("/") == 1
    finding = foot_keys("train", typing=True, live=False, paused=False, pane="dataset-pane")
    assert finding[0] == ("esc", "all")
    assert "enter" not in dict(finding)
    assert pane.index(("e", "caption")) < pane.index(("p", "go on"))


PROMPT = "a red (toy:1.3) robot, 赤いロボット 🤖, standing on a very long wooden table 写真のなかのとても長い一行の文字列 plant"


@pytest.mark.parametrize("width", [2, 3, 7, 20, 33, 200])
def test_lines_are_wrapped_by_cells_and_lose_nothing(width: int) -> None:
    rows = wrapped(PROMPT, width)
    assert max(map(cell_len, rows)) <= width
    assert "".join(rows).replace(" ", "") == PROMPT.replace(" ", "")


def test_what_is_wrapped_to_fewer_lines_than_it_takes_ends_with_an_ellipsis() -> None:
    rows = wrapped(PROMPT, 30, 2)
    assert rows[1].endswith(" …")
    assert len(rows) == 2
    assert max(map(cell_len, rows)) <= 30


@pytest.mark.parametrize("width", [3, 11, 40])
def test_of_narrow_letters_they_are_those_of_python(width: int) -> None:
    text = "the well-known /path/to/a-rather-long/file.png of nobody in particular"
    assert wrapped(text, width) == [row.rstrip() for row in textwrap.wrap(text, width)]
    shortened = textwrap.wrap(text, width, max_lines=3, placeholder=" …", break_on_hyphens=False)
    assert wrapped(text, width, 3, break_on_hyphens=False) == [row.rstrip() for row in shortened]
