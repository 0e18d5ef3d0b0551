"""The three ways on from an empty TINV_HOME: the demo, a folder of pictures, a run that is kept somewhere else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from tinv_tui.app.screens.ask_path import AskPathScreen
from tinv_tui.app.screens.confirm import ConfirmScreen
from tinv_tui.app.screens.welcome import WelcomeScreen
from tinv_tui.errors import InputError
from tinv_tui.runs.folder import RunFolder, all_runs
from tinv_tui.runs.log_directories import remember
from tinv_tui.settings import settings_file

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp
    from tinv_tui.app.widgets.form_pane import FormPane


def is_first_run() -> bool:
    """Whether there is neither a run nor a settings file yet."""
    return not settings_file().exists() and not all_runs()


async def show_ways_on(app: TinvApp, form_pane: FormPane) -> None:
    """Ask which way, and go it. Nothing starts without a question."""
    way = await app.push_screen_wait(WelcomeScreen())
    if way == "demo":
        await _show_demo(app, form_pane)
    elif way == "pictures":
        folder = await app.push_screen_wait(AskPathScreen("", "A folder of pictures", reads=True, folder=True))
        if folder is not None:
            form_pane.form.put("dataset.path", str(folder))
    elif way == "run":
        title = "The folder of a run, or one that holds runs"
        folder = await app.push_screen_wait(AskPathScreen("", title, reads=True, folder=True))
        if folder is not None:
            await _pick_up(app, folder)


async def _show_demo(app: TinvApp, form_pane: FormPane) -> None:
    from tinv_tui.models import bundled
    from tinv_tui.runs.demo import DEMO_STEPS, demo_recipe

    recipe = demo_recipe(DEMO_STEPS, None)
    form_pane.form.fill(recipe)
    word = recipe.embedding.name
    question = f"Start the demo? It learns the word {word}."
    explanation = (
        f"{bundled.SETS[word].capitalize()}, from five pictures: {DEMO_STEPS} steps, on a CPU a minute or less."
    )
    if await app.push_screen_wait(ConfirmScreen(question, explanation, [("start", "Start it")])) == "start":
        form_pane.start_now()


async def _pick_up(app: TinvApp, folder: Path) -> None:
    """Show the run, or list all that are below the folder from now on."""
    try:
        found = await asyncio.to_thread(_runs_of, folder)
    except InputError as error:
        app.control.note(f"{error.message}. {error.hint}", "bad")
    except OSError as error:
        app.control.note(f"not picked up: {error}", "bad")
    else:
        if isinstance(found, RunFolder):
            app.open_run(found)
        else:
            app.action_show("runs")


def _runs_of(folder: Path) -> RunFolder | list[RunFolder]:
    """The run the folder is, or those below it or its ``runs``, which are remembered. Raises InputError or OSError."""
    if (folder / "recipe.toml").is_file():
        return RunFolder(folder)
    for place in (folder, folder / "runs"):
        if found := all_runs(place):
            remember(place)
            return found
    raise InputError("run-missing", f"there is no run in {folder}", "A run is a folder with a recipe.toml in it.")
