"""Commands that start a worker: train, demo, resume."""

from __future__ import annotations

import asyncio
import math
import sys
from pathlib import Path
from typing import Any

import click

from tinv_tui.cli.checking import presets_option, preview_from_option, read_preview
from tinv_tui.cli.headless import wait_for
from tinv_tui.cli.models import fetch_if_missing
from tinv_tui.cli.output import EXIT_INTERRUPTED, command, duration, is_terminal, print_json, say
from tinv_tui.errors import InputError
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.demo import DEMO_STEPS, demo_recipe
from tinv_tui.runs.estimates import estimate_time
from tinv_tui.runs.folder import RunFolder, find_run
from tinv_tui.runs.launch import launch_worker, make_run
from tinv_tui.runs.memory import memory_need, memory_warnings, settings_in_words
from tinv_tui.runs.neighbours import in_words
from tinv_tui.runs.plan import RunPlan, plan_run
from tinv_tui.runs.run import Run
from tinv_tui.runs.status import read_status
from tinv_tui.telemetry.room import room_for_training

_wait_free = click.option(
    "--wait-free",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GIB",
    help="Load nothing before so much memory is free on the GPU, or on the host where there is none.",
)


@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one key, e.g. training.steps=500.")
@presets_option
@preview_from_option
@_wait_free
@click.option("--headless", is_flag=True, help="No app: wait here, progress on stderr.")
@click.option("--detach", is_flag=True, help="Start and return at once.")
def _train(
    recipe: Path,
    overrides: tuple[str, ...],
    presets: tuple[str, ...],
    preview_from: Path | None,
    wait_free: float | None,
    headless: bool,
    detach: bool,
    as_json: bool,
) -> None:
    """Train an embedding by a recipe. In a terminal this opens the app on the run."""
    _refuse_both(headless, detach)
    wanted = _wanted_bytes(wait_free)
    asked = load_recipe(recipe, list(overrides), presets=presets, preview=read_preview(preview_from))
    fetch_if_missing(asked, recipe.absolute().parent)
    plan = plan_run(asked, recipe.absolute().parent, source=str(recipe))
    _say_plan(plan)
    _go(_made(plan), plan.recipe.training.steps, headless, detach, as_json, wanted)


train = command("train")(_train)


@click.option("--steps", type=click.IntRange(min=1), default=DEMO_STEPS, show_default=True)
@click.option("--set", "chosen", metavar="NAME", help="Which bundled pictures; default: the first set.")
@_wait_free
@click.option("--headless", is_flag=True, help="No app: wait here, progress on stderr.")
def _demo(steps: int, chosen: str | None, wait_free: float | None, headless: bool, as_json: bool) -> None:
    """The whole main job on the model and pictures that ship with the program: no GPU, no network."""
    wanted = _wanted_bytes(wait_free)
    recipe = demo_recipe(steps, chosen)
    if is_terminal() and not headless and not as_json and not wanted:
        from tinv_tui.app.opening import run_app

        run_app(recipe=recipe, start=True)
        return
    plan = plan_run(recipe, Path.cwd(), source="demo")
    _say_plan(plan)
    _go(_made(plan), steps, headless, False, as_json, wanted)


demo = command("demo")(_demo)


@click.argument("run")
@click.option("--steps", type=click.IntRange(min=1), help="A new total number of steps.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a rate, the steps, or a key of [saving] or [preview] from here on.",
)
@click.option("--anyway", is_flag=True, help="Go on though the model or the pictures have changed meanwhile.")
@_wait_free
@click.option("--headless", is_flag=True, help="No app: wait here, progress on stderr.")
@click.option("--detach", is_flag=True, help="Start and return at once.")
def _resume(
    run: str,
    steps: int | None,
    overrides: tuple[str, ...],
    anyway: bool,
    wait_free: float | None,
    headless: bool,
    detach: bool,
    as_json: bool,
) -> None:
    """Go on with a run that was stopped, killed or has failed, from its checkpoint."""
    _refuse_both(headless, detach)
    handle = Run(find_run(run))
    wanted = _wanted_bytes(wait_free)
    asyncio.run(handle.resume(steps=steps, overrides=overrides, anyway=anyway, wait_free_bytes=wanted))
    _go(handle, load_recipe(handle.folder.recipe).training.steps, headless, detach, as_json)


resume = command("resume")(_resume)


def _refuse_both(headless: bool, detach: bool) -> None:
    if headless and detach:
        raise InputError("wait-or-leave", "--headless waits and --detach leaves", "Give one of them.")


def _wanted_bytes(wait_free: float | None) -> int:
    """What ``--wait-free`` asks for; 0 without. Raises InputError for more than there can ever be."""
    if wait_free is not None and not math.isfinite(wait_free):
        raise InputError("wait-free", f"--wait-free {wait_free}: this is no amount", "Give GiB, as in --wait-free 12.")
    wanted = round((wait_free or 0) * 2**30)
    if wanted:
        room = room_for_training()
        if room.most_bytes is not None and wanted > room.most_bytes:
            largest = room.device if room.total_bytes == room.most_bytes else "the largest GPU"
            has = f"{largest} has {room.most_bytes / 2**30:.1f} GiB in all"
            raise InputError(
                "wait-too-much", f"--wait-free {wait_free:g}: {has}", "Ask for less: it would never start."
            )
    return wanted


def _go(run: Run, steps: int, headless: bool, detach: bool, as_json: bool, wait_free_bytes: int = 0) -> None:
    """Launch where nothing runs yet, then wait, leave, or open the app."""
    if run.process is None:
        run.process = launch_worker(run.folder, wait_free_bytes)
    if detach:
        _say_detached(run, as_json)
    elif headless or as_json or not is_terminal():
        result = asyncio.run(wait_for(run, steps))
        interrupted = result.pop("interrupted")
        print_json(result) if as_json else _say_result(result)
        if interrupted:
            sys.exit(EXIT_INTERRUPTED)
    else:
        from tinv_tui.app.opening import run_app

        run_app(run=run.folder)


def _made(plan: RunPlan) -> Run:
    """The run of a plan, and a word where another has taken its name meanwhile. Raises InputError."""
    folder, planned = make_run(plan), plan.recipe.embedding.name
    status = read_status(folder.status)
    if status is not None and status.name != planned:
        say(f"warning: {planned!r} was taken meanwhile: this one is called {status.name!r}", err=True)
    return Run(folder)


def _say_plan(plan: RunPlan) -> None:
    say(f"learning rate {plan.rates.in_words()}", err=True)
    estimate, need = estimate_time(plan), memory_need(plan)
    say(f"time {duration(estimate.seconds)} ({estimate.basis})", err=True)
    say(f"memory about {need.peak_bytes / 2**30:.2f} GiB ({settings_in_words(plan, need)})", err=True)
    others = tuple(neighbour for neighbour in need.neighbours if neighbour.run is None)
    if others:
        say(f"also on {need.room.device}: {in_words(others)}", err=True)
    for _, message in [*plan.warnings, *memory_warnings(need)]:
        say(f"warning: {message}", err=True)


def _say_detached(run: Run, as_json: bool) -> None:
    assert run.process is not None
    folder: RunFolder = run.folder
    if as_json:
        print_json({"run": str(folder.path), "name": folder.name, "state": "starting", "pid": run.process.pid})
    else:
        say(str(folder.path))
        say(f"watch it with: tinv-tui attach {folder.handle}")


def _say_result(result: dict[str, Any]) -> None:
    say(f"{result['state']} at step {result['steps']} after {result['seconds']} s")
    if result["embedding"]:
        say(f"embedding  {result['embedding']}")
    say(f"run        {result['run']}")
