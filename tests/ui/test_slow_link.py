"""A slow link: pictures wait to be asked for, looks are rare, and what is sent is counted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.ui.support import NARROW, WIDE, past_run, ready, recipe, screen_text, until
from tests.ui.terminal import Terminal, step_of, wait_until
from tinv_tui.app import opening
from tinv_tui.app.app import TinvApp
from tinv_tui.app.link import between_looks
from tinv_tui.cli import commands, output
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.folder import all_runs


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_a_picture_is_drawn_only_when_it_is_asked_for(size: tuple[int, int], pictures: Path) -> None:
    async with TinvApp(recipe(pictures), slow_link=True).run_test(size=size) as pilot:
        bench = await ready(pilot)
        bench.open_tab("dataset")
        await until(pilot, lambda: bench.dataset.picture.path is not None)
        bench.dataset.pictures.focus()
        await until(pilot, lambda: "i draws it" in screen_text(pilot.app))
        assert not bench.dataset.picture.is_drawn
        await pilot.press("i")
        await until(pilot, lambda: bench.dataset.picture.is_drawn)
        await pilot.press("i")
        await until(pilot, lambda: not bench.dataset.picture.is_drawn)


async def test_over_a_good_link_pictures_are_just_drawn(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        bench = await ready(pilot)
        await until(pilot, lambda: bench.dataset.picture.is_drawn)
        bench.loss.focus()
        await pilot.press("i")
        assert bench.dataset.picture.is_drawn


def test_looks_are_five_seconds_apart_at_least() -> None:
    assert between_looks(TinvApp(slow_link=True), 1.0) == 5.0
    assert between_looks(TinvApp(slow_link=True), 12.0) == 12.0
    assert between_looks(TinvApp(), 1.0) == 1.0


@pytest.fixture
def idle() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.end()


@pytest.mark.long
def test_without_a_run_fifty_bytes_a_second_are_sent_at_most(idle: Terminal) -> None:
    wait_until(lambda: b"Learn a" in idle.seen, idle.drain)
    assert _bytes_per_second(idle, settle_seconds=13, seconds=36) <= 50


@pytest.mark.long
@pytest.mark.parametrize(("slow_link", "most"), [(False, 3000), (True, 1000)])
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_a_run_on_the_screen_keeps_to_its_bytes(
    size: tuple[int, int], slow_link: bool, most: int, pictures: Path, tmp_path: Path
) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(to_toml(recipe(pictures, training__steps=100_000, saving__image_every=500)))
    terminal = Terminal(str(file), *(["--slow-link"] if slow_link else []), size=size)
    wait_until(lambda: bool(all_runs()) and step_of(all_runs()[0]) > 50, terminal.drain)
    assert _bytes_per_second(terminal, settle_seconds=12, seconds=30) <= most
    terminal.end()


def _bytes_per_second(terminal: Terminal, *, settle_seconds: float, seconds: float) -> float:
    _drain_for(terminal, settle_seconds)
    before = len(terminal.seen)
    _drain_for(terminal, seconds)
    return (len(terminal.seen) - before) / seconds


def _drain_for(terminal: Terminal, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        terminal.drain(0.1)


@pytest.mark.parametrize("words", [["--slow-link"], ["attach", "zork", "--slow-link"]])
def test_the_command_line_asks_for_it(
    words: list[str], pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    past_run(recipe(pictures), tmp_path / "home")
    asked = list[bool]()
    monkeypatch.setattr(opening, "run_app", lambda *, slow_link, **_: asked.append(slow_link))
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    assert CliRunner().invoke(commands, words, catch_exceptions=False).exit_code == 0
    assert asked == [True]
