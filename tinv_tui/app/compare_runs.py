"""Compares a run with the one before it, which is most often what was tried before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp
    from tinv_tui.runs.folder import RunFolder


async def compare_with_last(app: TinvApp, run: RunFolder | None) -> None:
    """Show both side by side, the earlier one first; None stands for the newest run."""
    from tinv_tui.app.screens.compare import CompareScreen
    from tinv_tui.runs.comparison import with_the_one_before
    from tinv_tui.runs.folder import all_runs

    both = with_the_one_before(run, await asyncio.to_thread(all_runs))
    if both:
        app.push_screen(CompareScreen(both))
        return
    app.bell()
    is_gone = run is not None and await asyncio.to_thread(lambda: run.is_gone)
    said = f"{run.name}: its folder is gone" if run is not None and is_gone else "there is no run before this one"
    app.control.note(f"{said}, to compare it with", "warning")
