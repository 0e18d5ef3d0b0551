"""Lets the user go on with a run of the list."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from tinv_tui.app.screens.ask_value import AskValueScreen
from tinv_tui.app.screens.confirm import ConfirmScreen
from tinv_tui.errors import InputError

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp
    from tinv_tui.app.form_values import Mark
    from tinv_tui.runs.folder import RunFolder


async def ask_and_resume(app: TinvApp, folder: RunFolder) -> None:
    """Ask, ask once more where model or pictures have changed, and show the run on the train screen.

    Of a run that has made all its steps it is asked how many it shall have made in the end.
    """
    from tinv_tui.runs.liveness import in_words, state_of
    from tinv_tui.runs.progress import step_of_checkpoint

    state, status = await asyncio.to_thread(state_of, folder)
    steps: int | None = None
    if status is not None and state == "finished" and status.step >= status.steps:
        told = f"It has made all its {status.steps} steps. It goes on from there: how many shall it be in the end?"
        asked = AskValueScreen(f"Go on with {folder.name}?", told, str(2 * status.steps), partial(_look, status.step))
        answer = await app.push_screen_wait(asked)
        if answer is None:
            return
        steps = int(answer)
    else:
        where = f" at step {status.step} of {status.steps}" if status is not None else ""
        kept = await asyncio.to_thread(step_of_checkpoint, folder)
        goes_on = (
            f"It goes on from its last checkpoint, of step {kept}." if kept else "It kept no step: it begins anew."
        )
        explanation = f"It is {in_words(state, status)}{where}. {goes_on}"
        confirm = ConfirmScreen(f"Go on with {folder.name}?", explanation, [("resume", "Go on")])
        if await app.push_screen_wait(confirm) != "resume":
            return
    try:
        if not await _resume(app, folder, steps):
            return
    except InputError as error:
        app.control.note(f"{error.message}. {error.hint}", "bad")
    except OSError as error:
        app.control.note(f"{folder.name} does not go on: {error}", "bad")
    app.open_run(folder)  # where the log says what came of it


def _look(done: int, text: str) -> tuple[Mark, str]:
    if not text.strip().isdecimal():
        return "✖", "a whole number of steps"
    return ("✔", "") if int(text) > done else ("✖", f"more than {done}: so many are made already")


async def _resume(app: TinvApp, folder: RunFolder, steps: int | None) -> bool:
    """Whether it goes on, and was not thought better of."""
    try:
        await app.control.resume(folder, steps=steps)
    except InputError as error:
        if error.code != "inputs-changed":
            raise
        answers = [("anyway", "Go on anyway")]
        if await app.push_screen_wait(ConfirmScreen(error.message, error.hint, answers)) != "anyway":
            return False
        await app.control.resume(folder, steps=steps, anyway=True)
    return True
