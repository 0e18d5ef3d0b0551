"""Commands that look at runs: runs, show, attach, tail."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from tinv_tui.cli.columns import in_columns, terminal_width
from tinv_tui.cli.output import command, duration, folder_gone, print_json, require_terminal, say
from tinv_tui.runs.events import Event, EventReader
from tinv_tui.runs.folder import RunFolder, all_runs, find_run
from tinv_tui.runs.liveness import LIVE_STATES, has_worker, reason_of, state_of
from tinv_tui.runs.orphans import find_orphans
from tinv_tui.runs.phases import counted
from tinv_tui.runs.run import Run

if TYPE_CHECKING:
    from tinv_tui.app.graphics import Pictures


def describe(folder: RunFolder) -> dict[str, Any]:
    """The JSON fields of one run."""
    state, status = state_of(folder)
    return {
        "run": str(folder.path),
        "name": folder.name,
        "state": state,
        "reason": reason_of(folder, state, status),
        "step": status.step if status else 0,
        "steps": status.steps if status else 0,
        "loss": status.loss if status else None,
        "learning_rate": status.learning_rate if status else None,
        "steps_per_second": status.steps_per_second if status else None,
        "eta_seconds": status.eta_seconds if status and state in LIVE_STATES else None,
        "phase": status.phase if status else "",
        "evaluation": status.evaluation if status else None,
        "best_step": status.best_step if status else None,
        "released": state == "paused" and not has_worker(state, status),
    }


def _runs(as_json: bool) -> None:
    """List all runs, newest first."""
    found = ((folder, describe(folder)) for folder in all_runs())
    rows = [row for folder, row in found if not folder.is_gone]
    orphans = find_orphans()
    if as_json:
        print_json({"runs": rows, "orphans": [asdict(orphan) for orphan in orphans]})
        return
    for orphan in orphans:
        say(orphan.in_words(), err=True)
    if not rows:
        say("no runs yet; try: tinv-tui demo")
        return
    table = [("state", "run", "step", "loss", "speed", "time left"), *map(_cells, rows)]
    for line in in_columns(table, name=1, numbers=range(2, 6), width=terminal_width()):
        say(line)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    loss = f"{row['loss']:.4f}" if row["loss"] is not None else "–"
    speed = f"{row['steps_per_second']:.2f}/s" if row["steps_per_second"] else "–"
    progress = f"{row['step']}/{row['steps']}"
    return _state(row), str(row["name"]), progress, loss, speed, duration(row["eta_seconds"])


def _state(row: dict[str, Any]) -> str:
    """With a mark where the memory is given back."""
    return "paused, released" if row["released"] else str(row["state"])


@click.argument("run")
def _show(run: str, as_json: bool) -> None:
    """Show where a run stands."""
    row = describe(find_run(run))
    if as_json:
        print_json(row)
        return
    for key, value in row.items():
        say(f"{key:<18} {'–' if value is None else value}")


@click.argument("run")
@click.option("--slow-link", is_flag=True, help="Look less often, draw pictures only when asked: under 1 KB/s.")
@click.option("--pictures", type=click.Choice(["half-cells", "sixel", "kitty"]), help="What pictures are drawn as.")
def _attach(run: str, slow_link: bool, pictures: Pictures | None, as_json: bool) -> None:
    """Open the app on a run; leaving the app never stops the run."""
    folder = find_run(run)
    if as_json:
        print_json(describe(folder))
        return
    require_terminal(f"Without one: tinv-tui tail {folder.handle}")
    from tinv_tui.app.opening import run_app

    run_app(run=folder, slow_link=slow_link, pictures=pictures)


@click.argument("run")
@click.option(
    "--lines", type=click.IntRange(0, 10**9), default=20, show_default=True, help="How much of the past to show first."
)
@click.option("--follow/--no-follow", default=True, show_default=True, help="Go on until the run ends.")
def _tail(run: str, lines: int, follow: bool, as_json: bool) -> None:
    """Tell a run's story as plain lines; ctrl-c leaves the run alone."""
    folder = find_run(run)
    reader = EventReader(folder.events)
    past = reader.read_new(last=lines)
    if as_json:
        print_json({"run": str(folder.path), "name": folder.name, "events": past})
        return
    for event in past:
        _tell(event)
    if follow:
        asyncio.run(_follow(Run(folder, since=reader.offset)))


def _tell(event: Event) -> None:
    """On one line, however many its words have: another would look like an event of its own."""
    say(" ".join(in_words(event).splitlines()))


async def _follow(run: Run) -> None:
    async for event in run.events():
        _tell(event)
    state, status = run.state()
    if state == "lost":
        if await run.was_deleted():
            raise folder_gone(run.folder)
        said = reason_of(run.folder, state, status)
        say(f"{run.folder.name} is lost: {said}. Go on: tinv-tui resume {run.folder.handle}", err=True)


def in_words(event: Event) -> str:
    """One event as a line a person can read; as it is, where a later version tells it in another way."""
    try:
        at = datetime.fromisoformat(str(event["t"])).astimezone()  # as this machine's clock has it, and the app's log
        return f"{at:%H:%M:%S}  {_said(event)}"
    except (KeyError, TypeError, ValueError):
        return json.dumps(event, ensure_ascii=False)


def _said(event: Event) -> str:
    kind = event["kind"]
    match kind:
        case "step":
            rate = event.get("steps_per_second")
            text = f"step {event['step']}  loss {event['loss']:.4f}  rate {event['learning_rate']:g}"
            text += f"  {rate:.2f}/s" if rate else ""
        case "evaluation":
            text = f"evaluation at step {event['step']}: {event['loss']:.4f}{'  (best)' if event['best'] else ''}"
        case "saved":
            text = f"{event['what']} of step {event['step']}: {event['path']}"
        case "preview":
            text = f"preview of step {event['step']}: {event['path']}  ({event['prompt']})"
        case "phase" if event["name"] == "waiting":
            text = event["message"]
        case "phase":
            text = counted(event["name"], event["done"], event["total"])
        case "warning":
            text = f"warning: {event['message']}"
        case "note":
            text = str(event["message"])
        case "ack":
            text = f"{event['command']}: {event['message']}"
        case "started":
            text = f"started on {event['device']} at step {event['from_step']} of {event['steps']}"
        case "ended":
            hint = f". {event['hint']}" if event.get("hint") else ""
            text = f"{event['state']} at step {event['step']}: {event['reason']}{hint}"
        case "changed":
            text = f"{event['key']} {event['old']} → {event['new']} after step {event['step']}"
        case _:
            rest = {k: v for k, v in event.items() if k not in ("v", "t", "kind")}
            text = f"{kind} {rest}"
    return text


runs = command("runs")(_runs)
show = command("show")(_show)
attach = command("attach")(_attach)
tail = command("tail")(_tail)
