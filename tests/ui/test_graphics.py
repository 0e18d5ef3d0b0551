"""Pictures as sixels and kitty graphics in the app: drawn where they are in sight, and nothing of them stays."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from textual.drivers.headless_driver import HeadlessDriver

from tests.ui.support import WIDE, ready, recipe, screen_text, until
from tinv_tui.app import graphics
from tinv_tui.app.app import TinvApp
from tinv_tui.cli import commands

SIXELS = re.compile(r"\x1b7\x1b\[(\d+);(\d+)H\x1bP0;1;0q.*?\x1b\\\x1b8", re.DOTALL)
PLACEHOLDER = "\U0010eeee"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the app writes beside its characters, in a terminal that has all and cells of 10 × 20 pixels."""
    for name in ("TMUX", "STY", "TEXTUAL_DRIVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-kitty")
    monkeypatch.setattr(graphics, "cell_pixels", lambda: (10, 20))
    sequences: list[str] = []
    monkeypatch.setattr(HeadlessDriver, "write", lambda _, data: sequences.append(data))
    return sequences


async def test_sixels_lie_over_their_picture_where_it_was_painted_and_never_over_what_covers_it_or_came_in_its_place(
    written: list[str], pictures: Path
) -> None:
    async with TinvApp(recipe(pictures), pictures="sixel").run_test(size=WIDE, notifications=True) as pilot:
        bench = await ready(pilot)

        def last() -> tuple[int, int]:
            row, column = (SIXELS.findall("".join(written)) or [(0, 0)])[-1]
            return int(column) - 1, int(row) - 1

        await until(pilot, lambda: bench.dataset.picture.region.contains(*last()))
        column, row = last()
        assert "▀" in screen_text(pilot.app).splitlines()[row], "half cells below, for a terminal without sixels"
        bench.loss.focus()
        await pilot.pause()
        written.clear()
        bench.gpu.refresh()
        bench.log_pane.refresh()
        await pilot.pause()
        assert not "".join(written)
        bench.dataset.picture.refresh()
        await pilot.pause()
        assert SIXELS.search("".join(written))
        written.clear()
        await pilot.press("i")
        await until(pilot, lambda: bool(SIXELS.search("".join(written))))

        pilot.app.notify("\n".join(["tall and wide" * 4] * 24), timeout=60)
        await until(pilot, lambda: bool(pilot.app.screen.query("Toast")))
        await pilot.pause()
        assert pilot.app.screen.query("Toast").first().region.overlaps(bench.dataset.picture.region)
        written.clear()
        bench.dataset.picture.refresh()
        await pilot.pause()
        assert not "".join(written)
        pilot.app.clear_notifications()
        await until(pilot, lambda: bool(SIXELS.search("".join(written))))

        await pilot.press("escape", "question_mark")
        await until(pilot, lambda: pilot.app.screen is not bench)
        written.clear()
        pilot.app.screen.refresh()
        bench.dataset.picture.refresh()
        await pilot.pause()
        assert not "".join(written)
        await pilot.press("escape")
        await until(pilot, lambda: bool(SIXELS.search("".join(written))))
        bench.open_tab("loss")
        await pilot.press("z")
        await until(pilot, lambda: not bench.dataset.picture.region)
        written.clear()
        pilot.app.screen.refresh()
        await pilot.pause()
        assert not "".join(written)


async def test_kitty_has_its_picture_in_the_place_of_half_cells_but_not_below_a_dialog_and_is_told_to_forget_it(
    written: list[str], pictures: Path
) -> None:
    async with TinvApp(recipe(pictures), pictures="kitty").run_test(size=WIDE) as pilot:
        bench = await ready(pilot)
        await until(pilot, lambda: PLACEHOLDER in screen_text(pilot.app))
        sent = re.findall(r"\x1b_Ga=T,U=1,f=100,i=(\d+),c=(\d+),r=(\d+)", "".join(written))
        number, columns, rows = sent[-1]
        assert screen_text(pilot.app).count(PLACEHOLDER) == int(columns) * int(rows)
        await pilot.press("escape", "question_mark")
        await until(pilot, lambda: pilot.app.screen is not bench)
        await until(pilot, lambda: PLACEHOLDER not in screen_text(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: PLACEHOLDER in screen_text(pilot.app))
        assert f"a=d,d=I,i={number}" not in "".join(written)
        bench.dataset.picture.show(None)
        await until(pilot, lambda: f"a=d,d=I,i={number}" in "".join(written))
        bench.dataset.picture.show(pictures / "001.png")
        await until(pilot, lambda: PLACEHOLDER in screen_text(pilot.app))
        number = re.findall(r"a=T,U=1,f=100,i=(\d+)", "".join(written))[-1]
    assert f"a=d,d=I,i={number}" in "".join(written), "left behind by the app"


async def test_what_the_terminal_cannot_do_is_told_and_half_cells_are_drawn(
    written: list[str], pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "linux")
    async with TinvApp(recipe(pictures), pictures="sixel").run_test(size=WIDE, notifications=True) as pilot:
        bench = await ready(pilot)
        await until(pilot, lambda: bool(pilot.app.screen.query("Toast")))
        await until(pilot, lambda: bench.dataset.picture.is_drawn)
        said = "pictures are not drawn as sixel"
        assert any(said in note.text for note in pilot.app.control.notes)  # type: ignore[attr-defined]
        assert not SIXELS.search("".join(written))


def test_a_choice_that_is_none_is_told_with_those_there_are() -> None:
    said = CliRunner().invoke(commands, ["--pictures", "pink"]).output
    assert "'half-cells', 'sixel', 'kitty'" in said
