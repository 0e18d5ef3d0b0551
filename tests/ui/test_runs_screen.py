"""The list of runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.ui.support import NARROW, WIDE, past_run, ready, recipe, screen_text, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.runs import RunsScreen
from tinv_tui.app.screens.workbench import Workbench
from tinv_tui.errors import InputError
from tinv_tui.runs import orphans
from tinv_tui.runs.orphans import Orphan
from tinv_tui.runs.run import Run


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_runs_are_listed_a_lost_one_says_why_and_enter_shows_one(
    size: tuple[int, int], pictures: Path, tmp_path: Path
) -> None:
    past_run(recipe(pictures), tmp_path / "home", state="failed", reason="the loss is not finite")
    past_run(recipe(pictures, embedding__name="plork"), tmp_path / "home")
    lost = past_run(recipe(pictures, embedding__name="gone"), tmp_path / "home", state="running").path
    lost.rename(lost.with_name("go\x1b]0;x\x07ne"))
    async with TinvApp(recipe(pictures)).run_test(size=size) as pilot:
        await ready(pilot)
        await pilot.press("f5")
        await until(pilot, lambda: "plork" in screen_text(pilot.app))
        text = screen_text(pilot.app)
        assert "? lost" in text
        assert "its worker never began" in text  # of the newest, which is chosen
        assert "go�]0;x�ne" in text  # no name of a folder reaches the terminal as a command
        assert all(line.isprintable() for line in text.splitlines())
        assert "✖ failed" in text
        assert "✔ finished" in text
        assert "300/5 000" in text
        assert "20.0/s" in text  # how fast those went that ended
        await pilot.press("end")
        await until(pilot, lambda: "the loss is not finite" in screen_text(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Workbench))
        await until(pilot, lambda: "zork ✖ failed" in screen_text(pilot.app))
        await pilot.press("f5", "home", "enter")
        await until(pilot, lambda: "r in Runs (4) goes on with it" in " ".join(screen_text(pilot.app).split()))


async def test_a_run_is_resumed_and_one_whose_inputs_changed_only_after_another_question(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[tuple[Path, int | None, bool]]()

    async def resume(self: Run, *, steps: int | None = None, anyway: bool = False) -> None:
        asked.append((self.folder.path, steps, anyway))
        if not anyway:
            raise InputError("inputs-changed", "zork: changed since the run began: model.path: x", "resume --anyway")

    monkeypatch.setattr(Run, "resume", resume)
    orphan = Orphan(7, "/somewhere/plork", "its worker is gone", None)
    monkeypatch.setattr(orphans, "find_orphans", lambda: (orphan,))
    app = TinvApp(recipe(pictures))
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot)
        await pilot.press("f5")
        await until(pilot, lambda: "no runs yet" in screen_text(app))
        folder = past_run(recipe(pictures), tmp_path / "home", state="stopped", reason="as told")
        await until(pilot, lambda: "■ stopped" in screen_text(app) and "its worker is gone" in screen_text(app))
        await pilot.press("r")
        await until(pilot, lambda: "Go on with zork?" in screen_text(app))
        assert "It kept no step: it begins anew." in " ".join(screen_text(app).replace("│", " ").split())
        await pilot.press("enter")
        await until(pilot, lambda: "model.path: x" in screen_text(app))
        await pilot.press("escape")  # thought better of: one stays where one was
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.pause(0.2)
        assert isinstance(app.screen, RunsScreen)
        await pilot.press("r")
        await until(pilot, lambda: "Go on with zork?" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "model.path: x" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Workbench))
        assert asked == [(folder.path, None, anyway) for anyway in (False, False, True)]
        done = past_run(recipe(pictures, embedding__name="plork", training__steps=300), tmp_path / "home")
        await pilot.press("f5")
        await until(pilot, lambda: "plork" in screen_text(app))
        await pilot.press("home", "r")
        await until(pilot, lambda: "shall it be in the end?" in screen_text(app))
        await pilot.press(*"300", "enter")
        await until(pilot, lambda: "so many are made already" in screen_text(app))
        await pilot.press("0", "enter")
        await until(pilot, lambda: len(asked) == 4)
        assert asked[3] == (done.path, 3000, False)


async def test_what_is_answered_goes_to_the_run_that_was_asked_about(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[tuple[str, str]]()

    async def command(self: Run, name: str, **_: object) -> None:
        told.append((self.folder.name, name))

    monkeypatch.setattr(Run, "command", command)
    one, other = (past_run(recipe(pictures, embedding__name=name), tmp_path / "home") for name in ("zork", "plork"))
    app = TinvApp(recipe(pictures), one)
    async with app.run_test(size=NARROW) as pilot:
        bench = await ready(pilot)
        await until(pilot, lambda: app.control.now is not None and bench.focused is bench.loss)
        assert app.control.now is not None
        app.control.now = replace(app.control.now, state="running")
        bench.show_run(app.control.now)
        await pilot.press("s")
        await until(pilot, lambda: "Stop zork" in screen_text(app))
        app.control.attach(other)  # as a start that was under way does
        await until(pilot, lambda: app.control.now is not None and app.control.now.folder == other)
        await pilot.press("enter")
        await until(pilot, lambda: bool(told))
        assert told == [("zork", "stop")]
