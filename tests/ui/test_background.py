"""What goes wrong beside the keys: it is told, its story is kept, and the app goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.ui.support import WIDE, past_run, ready, recipe, screen_text, until
from tinv_tui import paths
from tinv_tui.app import run_control
from tinv_tui.app.app import TinvApp
from tinv_tui.app.background import in_background
from tinv_tui.app.messages import MachineLooked, RunLooked, WorkFailed
from tinv_tui.app.watcher import RunNow, RunWatcher
from tinv_tui.app.widgets.form_summary import FormSummary


async def test_a_fault_of_the_apps_own_is_said_and_where_it_comes_from_is_kept(pictures: Path) -> None:
    async def breaks() -> None:
        raise KeyError("no such thing\nand more")

    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        await ready(pilot)
        in_background(pilot.app, breaks)
        await until(pilot, lambda: "a fault of the app's own: KeyError" in screen_text(pilot.app))
        story = paths.app_log().read_text()
        assert "in breaks" in story
        assert "no such thing" in story
        paths.app_log().unlink()


async def test_trouble_with_a_file_is_said_in_the_systems_words_alone(pictures: Path) -> None:
    async def breaks() -> None:
        raise PermissionError(13, "Permission denied", "/somewhere/else")

    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        await ready(pilot)
        in_background(pilot.app, breaks())
        await until(pilot, lambda: "/somewhere/else: Permission denied" in screen_text(pilot.app))


async def test_a_run_that_could_not_be_looked_at_is_looked_at_again(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_control, "_AFTER_TROUBLE_SECONDS", 0.1)
    look, looks = RunWatcher.look, list[int]()

    def sometimes(self: Any) -> RunNow:
        looks.append(1)
        if len(looks) in (2, 3):
            raise SystemError("a thread was in the way")
        return look(self)

    monkeypatch.setattr(RunWatcher, "look", sometimes)
    run = past_run(recipe(pictures), paths.home())
    app = TinvApp(recipe(pictures), run)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        await until(pilot, lambda: len(looks) == 1 and app.control.now is not None)
        app.control._look_now.set()
        await until(pilot, lambda: len(looks) > 3)
        assert sum("a thread was in the way" in line.text for line in app.control.notes) == 1
        paths.app_log().unlink()


async def test_what_is_done_for_a_form_while_the_app_ends_is_no_fault(pictures: Path) -> None:
    app = TinvApp(recipe(pictures))
    async with app.run_test(size=WIDE) as pilot:
        form = (await ready(pilot)).form
        form.put("training.batch_size", "0")  # its error would be shown below the field
        app._exit = True  # as in the moment between exit() and the end
        await in_background(app, form.check_now(all_fields=True)).wait()
        app._exit = False
        await pilot.pause()
        assert not [note.text for note in app.control.notes if "fault" in note.text]


async def test_who_leaves_sees_no_traceback_of_what_comes_in_meanwhile(pictures: Path) -> None:
    app = TinvApp(recipe(pictures))
    async with app.run_test(size=WIDE) as pilot:
        form, has_left = (await ready(pilot)).form, asyncio.Event()

        def leave_and_tell() -> None:
            app.exit()
            has_left.set()
            form.show_errors({"training.batch_size": "more than the pictures"})

        app.call_later(leave_and_tell)
        await has_left.wait()
    assert app.return_code == 0


class _BusyToTheEnd(TinvApp):
    """It is at work on something while its screens are taken down, and more comes in meanwhile."""

    async def _close_all(self) -> None:
        summary = self.screen.query_one(FormSummary)
        is_at_work = asyncio.Event()

        async def work() -> None:
            is_at_work.set()
            await asyncio.wait({summary._task})  # ends as it leaves the tree

        self.call_next(work)
        await is_at_work.wait()
        self.post_message(RunLooked(self.control.now))
        self.post_message(MachineLooked(self._machine.look(())))
        self.post_message(WorkFailed(OSError("no such disk")))
        await super()._close_all()


async def test_what_comes_in_while_the_app_ends_finds_no_screen_that_is_half_gone(pictures: Path) -> None:
    run = past_run(recipe(pictures), paths.home())
    app = _BusyToTheEnd(recipe(pictures), run)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        await until(pilot, lambda: app.control.now is not None)
    assert any("no such disk" in note.text for note in app.control.notes), "it is in the log, if no more on a screen"
