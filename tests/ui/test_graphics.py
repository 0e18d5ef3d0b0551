"""Pictures as sixels and kitty graphics in the app: drawn where they are in sight, and nothing of them stays."""

from __future__ import annotations

import gc
import re
import warnings
from pathlib import Path

import pytest
import textual.strip
from click.testing import CliRunner
from PIL import Image
from rich.segment import Segment
from rich.style import Style
from textual.app import App, ComposeResult
from textual.cache import FIFOCache
from textual.drivers.headless_driver import HeadlessDriver
from textual.screen import ModalScreen
from textual.strip import Strip

from tests.ui.support import NARROW, WIDE, past_run, ready, recipe, until
from tinv_tui.app import graphics
from tinv_tui.app.app import TinvApp
from tinv_tui.app.thrift import make_strips_small
from tinv_tui.app.widgets.picture import Picture
from tinv_tui.cli import commands, output

SIXELS = re.compile(r"\x1b7\x1b\[(\d+);(\d+)H\x1bP0;1;0q.*?\x1b\\\x1b8", re.DOTALL)
PLACEHOLDER = "\U0010eeee"


class Written(list[str]):
    """What the app writes beside its characters."""

    @property
    def sixels(self) -> list[tuple[int, int]]:
        """Where, as columns and rows."""
        return [(int(column) - 1, int(row) - 1) for row, column in SIXELS.findall("".join(self))]

    def kitty(self, command: str) -> list[str]:
        """The numbers of the pictures it was for."""
        return re.findall(rf"\x1b_Ga={command},i=(\d+)", "".join(self))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    """In a terminal that can do everything and has cells of 10 × 20 pixels."""
    for name in ("TMUX", "STY", "TEXTUAL_DRIVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-kitty")
    monkeypatch.setattr(graphics, "cell_pixels", lambda: (10, 20))
    written = Written()
    monkeypatch.setattr(HeadlessDriver, "write", lambda _, data: written.append(data))
    return written


class OnePicture(App[None]):
    def compose(self) -> ComposeResult:
        yield Picture(id="picture")


def text_of(picture: Picture) -> str:
    return "\n".join(strip.text for strip in picture.render_lines(picture.size.region))


async def test_sixels_lie_over_their_picture_where_it_was_painted_and_never_over_what_covers_it_or_came_in_its_place(
    written: Written, pictures: Path
) -> None:
    async with TinvApp(recipe(pictures), pictures="sixel").run_test(size=WIDE, notifications=True) as pilot:
        bench = await ready(pilot)
        picture = bench.dataset.picture
        await until(pilot, lambda: bool(written.sixels) and picture.region.contains(*written.sixels[-1]))
        assert "▀" in text_of(picture), "half cells below, for a terminal without sixels"

        bench.loss.focus()
        await pilot.pause()
        written.clear()
        bench.gpu.refresh()
        bench.log_pane.refresh()
        await pilot.pause()
        assert not written.sixels
        picture.refresh()
        await pilot.pause()
        assert len(written.sixels) == 1
        written.clear()
        await pilot.press("i")
        await until(pilot, lambda: bool(written.sixels))

        pilot.app.notify("\n".join(["tall and wide" * 4] * 24), timeout=60)
        await until(pilot, lambda: bool(pilot.app.screen.query("Toast")))
        assert pilot.app.screen.query("Toast").first().region.overlaps(picture.region)
        written.clear()
        picture.refresh()
        await pilot.pause()
        assert not written.sixels
        pilot.app.clear_notifications()
        await until(pilot, lambda: bool(written.sixels))

        await pilot.app.push_screen(ModalScreen[None]())
        written.clear()
        pilot.app.screen.refresh()
        picture.refresh()
        await pilot.pause()
        assert not written.sixels
        pilot.app.pop_screen()
        await until(pilot, lambda: bool(written.sixels))

        bench.dataset.display = False
        await until(pilot, lambda: not picture.region)
        written.clear()
        pilot.app.screen.refresh()
        await pilot.pause()
        assert not written.sixels


async def test_kitty_has_its_picture_in_the_place_of_half_cells_but_not_below_a_dialog_and_is_told_to_forget_it(
    written: Written, pictures: Path
) -> None:
    app = OnePicture()
    app.add_class(graphics.KITTY)
    async with app.run_test(size=NARROW) as pilot:
        picture = app.query_one(Picture)
        picture.show(pictures / "003.png")
        await until(pilot, lambda: PLACEHOLDER in text_of(picture))
        number, columns, rows = re.findall(r"a=T,U=1,f=100,i=(\d+),c=(\d+),r=(\d+)", "".join(written))[-1]
        assert text_of(picture).count(PLACEHOLDER) == int(columns) * int(rows)
        assert "▀" not in text_of(picture)
        await pilot.app.push_screen(ModalScreen[None]())
        assert PLACEHOLDER not in text_of(picture)
        assert "▀" in text_of(picture)
        pilot.app.pop_screen()
        await until(pilot, lambda: PLACEHOLDER in text_of(picture))
        assert not written.kitty("d,d=I")

        picture.show(None)
        await until(pilot, lambda: written.kitty("d,d=I") == [number])
        assert PLACEHOLDER not in text_of(picture)
        picture.show(pictures / "001.png")
        await until(pilot, lambda: PLACEHOLDER in text_of(picture))
    assert written.kitty("d,d=I")[-1] == written.kitty("T,U=1,f=100")[-1] != number, "what is left is forgotten too"


async def test_what_the_terminal_cannot_do_is_told_and_half_cells_are_drawn(
    written: Written, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "linux")
    app = TinvApp(recipe(pictures), pictures="sixel")
    assert not graphics.draws_sixel(app)
    async with app.run_test(size=NARROW, notifications=True) as pilot:
        await until(pilot, lambda: bool(app.screen.query("Toast")))
        assert any("pictures are not drawn as sixel" in note.text for note in app.control.notes)


async def test_a_picture_that_is_gone_before_it_is_read_leaves_nothing_unawaited(pictures: Path) -> None:
    app = OnePicture()
    with warnings.catch_warnings(record=True) as warned:
        async with app.run_test(size=NARROW) as pilot:
            picture = app.query_one(Picture)
            picture.show(pictures / "001.png")
            picture.show(pictures / "002.png")
            await until(pilot, lambda: picture.is_drawn)
        gc.collect()
    assert not warned


def test_a_strip_takes_no_memory_for_what_it_does_not_keep_and_keeps_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textual.strip, "FIFOCache", FIFOCache)  # put back at the end
    make_strips_small()
    strip, other = (Strip([Segment("a long row of text")]) for _ in range(2))
    assert strip.crop(2, 6).text == "long"
    assert strip.crop(2, 6) is strip.crop(2, 6), "kept"
    assert strip._divide_cache._cache is other._crop_cache._cache
    assert not other._crop_cache
    for at in range(20):
        strip.crop(at % 17, 18)
    assert len(strip._crop_cache) == 16


async def test_the_colours_of_pictures_that_were_shown_before_are_not_kept(tmp_path: Path) -> None:
    """Each cell has its own: a viewer that is open for a night would hold megabytes of them."""
    app = OnePicture()
    kept = []
    async with app.run_test(size=(40, 12)) as pilot:
        for number in range(4):
            path = tmp_path / f"{number}.png"
            Image.effect_noise((64, 64), 60 + number).convert("RGB").save(path)
            app.query_one(Picture).show(path)
            await app.workers.wait_for_complete()
            await pilot.pause()
            kept.append(Style._add.cache_info().currsize)
    assert min(kept) > 200, "a picture of so many colours"
    assert max(kept) < 1.5 * min(kept), kept


def test_a_choice_that_is_none_is_told_with_those_there_are() -> None:
    said = CliRunner().invoke(commands, ["--pictures", "pink"]).output
    assert "'half-cells', 'sixel', 'kitty'" in said


@pytest.mark.parametrize("words", [["--pictures", "kitty"], ["attach", "zork", "--pictures", "kitty"]])
def test_the_command_line_asks_for_it(
    words: list[str], pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    past_run(recipe(pictures), tmp_path / "home")
    asked = list[str]()
    monkeypatch.setattr("tinv_tui.app.opening.run_app", lambda *, pictures, **_: asked.append(pictures))
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    assert CliRunner().invoke(commands, words, catch_exceptions=False).exit_code == 0
    assert asked == ["kitty"]
