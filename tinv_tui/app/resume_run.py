"""Lets the user go on with a run of the list."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tinv_tui.app.screens.confirm import ConfirmScreen
from tinv_tui.errors import InputError

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp
    from tinv_tui.runs.folder import RunFolder


async def ask_and_resume(app: TinvApp, folder: RunFolder) -> None:
    """Ask, ask once more where model or pictures have changed, and show the run on the train screen."""
    from tinv_tui.runs.liveness import in_words, state_of

    state, status = await asyncio.to_thread(state_of, folder)
    where = f" at step {status.step} of {status.steps}" if status is not None else ""
    question = f"Go on with {folder.name}?"
    explanation = f"It is {in_words(state, status)}{where}. It goes on from its last checkpoint."
    if await app.push_screen_wait(ConfirmScreen(question, explanation, [("resume", "Go on")])) != "resume":
        return
    try:
        await _resume(app, folder)
    except InputError as error:
        app.control.note(f"{error.message}. {error.hint}", "bad")
    app.open_run(folder)  # where the log says what came of it


async def _resume(app: TinvApp, folder: RunFolder) -> None:
    try:
        await app.control.resume(folder)
    except InputError as error:
        if error.code != "inputs-changed":
            raise
        answers = [("anyway", "Go on anyway")]
        if await app.push_screen_wait(ConfirmScreen(error.message, error.hint, answers)) == "anyway":
            await app.control.resume(folder, anyway=True)
