"""Lets the user pick a copy of the run on the screen and make it the result."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tinv_tui.app.screens.confirm import ConfirmScreen
from tinv_tui.app.screens.pick import PickScreen
from tinv_tui.errors import InputError, in_words

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp
    from tinv_tui.runs.folder import RunFolder


async def pick_and_use(app: TinvApp, folder: RunFolder) -> None:
    """Offer what the run has, ask once more, and say in the log what was done."""
    from tinv_tui.app.offer import Offer
    from tinv_tui.runs.use import copies_of, use_copy

    def offers() -> list[Offer]:
        return [Offer(copy.word, copy.said) for copy in copies_of(folder)]

    if await asyncio.to_thread(lambda: folder.is_gone):
        app.control.note(f"{folder.name}: its folder is gone", "bad")
        return
    try:
        first = await asyncio.to_thread(offers)
        if not first:
            app.control.note(f"{folder.name} has no copy yet", "warning")
            return
        title = f"{folder.name}: which one shall be the result?"
        word = await app.push_screen_wait(PickScreen(title, first, offers))
        if word is None:
            return
        step = next((copy.step for copy in await asyncio.to_thread(copies_of, folder) if copy.word == word), word)
        question = f"Make step {step} of {folder.name} the result?"
        explanation = "The library and other tools load it then. What is there now is kept beside it."
        if await app.push_screen_wait(ConfirmScreen(question, explanation, [("use", f"Use step {step}")])) != "use":
            return
        used = await asyncio.to_thread(use_copy, folder, word)
        app.control.note(used.in_words(), "good")
    except (InputError, OSError) as error:
        app.control.note(f"{error.message}. {error.hint}" if isinstance(error, InputError) else in_words(error), "bad")
