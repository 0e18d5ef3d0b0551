"""Shared by the app's tests: recipes, waiting, reading the screen, and runs that were never trained."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.help import HelpScreen
from tinv_tui.app.screens.welcome import WelcomeScreen
from tinv_tui.app.screens.workbench import Workbench
from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.folder import RunFolder, create_run_folder
from tinv_tui.runs.status import Status, write_status

WIDE, NARROW = (120, 36), (80, 24)


def recipe(pictures: Path, **changes: Any) -> Recipe:
    """A run on the bundled model; ``section__key=value`` changes a key."""
    values: dict[str, dict[str, Any]] = {
        "model": {"path": "bundled"},
        "embedding": {"name": "zork", "init_text": "thing"},
        "dataset": {"path": str(pictures), "template": "subject"},
        "training": {"steps": 5000, "seed": 3},
        "saving": {"embedding_every": 0, "image_every": 0},
        "preview": {"steps": 2},
    }
    for key, value in changes.items():
        section, _, name = key.partition("__")
        values[section][name] = value
    return make_recipe(values)


async def until(pilot: Pilot[Any], is_so: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not become true:\n{screen_text(pilot.app)}")
        await asyncio.sleep(0.05)  # to read the screen takes 10 ms, which the app lacks meanwhile
    await pilot.pause()


async def ready(pilot: Pilot[Any]) -> Workbench:
    """The workbench, once its form is there and has been checked."""
    app = pilot.app
    assert isinstance(app, TinvApp)
    await until(
        pilot,
        lambda: (
            app.workbench is not None
            and app.workbench.form_pane.is_furnished
            and bool(app.workbench.form.checked.notes)
        ),
    )
    assert app.workbench is not None
    return app.workbench


async def past_welcome(pilot: Pilot[Any]) -> None:
    """From the ways on that an empty TINV_HOME is met with to the form."""
    await until(pilot, lambda: isinstance(pilot.app.screen, WelcomeScreen))
    await pilot.press("escape")


async def has_help(pilot: Pilot[Any], key: str, words: str) -> None:
    """The key shows help that says so over the dialog in sight, and escape goes back to it."""
    dialog = pilot.app.screen
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen) and words in screen_text(pilot.app), 20)
    await pilot.press("escape")
    await until(pilot, lambda: pilot.app.screen is dialog)


def screen_text(app: Any) -> str:
    """What is on the screen, row by row."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def past_run(
    wanted: Recipe, home: Path, *, state: str = "finished", steps_done: int = 300, reason: str = "all steps done"
) -> RunFolder:
    """A run folder as a worker leaves it behind, without a worker."""
    folder = create_run_folder(home / "runs", wanted.embedding.name)
    folder.recipe.write_text(to_toml(wanted))
    told: list[dict[str, Any]] = [
        {
            "kind": "started",
            "run": folder.name,
            "steps": wanted.training.steps,
            "from_step": 0,
            "device": "cpu",
            "model": "bundled",
        },
        {"kind": "phase", "name": "training", "done": 0, "total": wanted.training.steps},
        *[
            {"kind": "step", "step": step, "loss": 0.3 - step / 2000, "learning_rate": 0.005}
            | {"steps_per_second": 20.0, "gradient_norm": 0.0123}
            for step in range(10, steps_done + 1, 10)
        ],
        {"kind": "evaluation", "step": 200, "loss": 0.1081, "best": True, "norms": [0.412]},
        {
            "kind": "ended",
            "state": state,
            "step": steps_done,
            "reason": reason,
            "hint": "Lower the rate.",
            "embedding": None,
        },
    ]
    lines = [json.dumps({"v": 1, "t": "2026-11-22T09:14:02.000+00:00", **event}) for event in told]
    folder.events.write_text("\n".join(lines) + "\n")
    status = Status(
        state=state,
        name=folder.name,
        step=steps_done,
        steps=wanted.training.steps,
        loss=0.15,
        learning_rate=0.005,
        steps_per_second=20.0,
        device="cpu",
    )
    write_status(folder.status, status)
    return folder
