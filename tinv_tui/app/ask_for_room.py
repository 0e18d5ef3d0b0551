"""What is asked before a start where the device has no room for it now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinv_tui.app import wording
from tinv_tui.app.screens.confirm import ConfirmScreen

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp
    from tinv_tui.runs.memory import MemoryNeed


async def ask_where_memory_is_short(app: TinvApp, need: MemoryNeed | None) -> str:
    """ "start", at once where there is room; "wait", or :data:`tinv_tui.app.screens.confirm.CANCEL`."""
    from tinv_tui.runs.neighbours import in_words

    if need is None or not need.is_tight:
        return "start"
    room = need.room
    takes = f"this run takes {'' if need.measured else 'about '}{wording.memory(need.peak_bytes)}"
    question = f"{room.device} has {wording.memory(room.free_bytes)} free; {takes}."
    answers = [("start", "Start anyway")]
    if need.may_come_free:
        others = in_words(need.neighbours, most=2)
        explanation = f"Others hold the rest now{f': {others}' if others else ''}."
        answers.insert(0, ("wait", "Wait for room, then start"))
    else:
        explanation = f"It has {wording.memory(room.total_bytes)} in all. A smaller batch or size takes less."
    return await app.push_screen_wait(ConfirmScreen(question, explanation, answers))
