"""Commands to a running worker: stop, pause, unpause, save, preview."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from tinv_tui.cli.output import JobFailed, command, print_json
from tinv_tui.runs.folder import find_run
from tinv_tui.runs.run import Run


def _steer(name: str, run: str, as_json: bool, **args: Any) -> None:
    """Leave the command and wait for the worker's answer."""
    handle = Run(find_run(run))
    ack = asyncio.run(handle.command(name, **args))
    more = {"run": str(handle.folder.path), "name": handle.folder.name, "command": name}
    if not ack["ok"]:
        raise JobFailed("command-refused", str(ack["message"]), "", 1, more)
    if as_json:
        print_json(more | {"ok": True, "message": ack["message"]})
    else:
        click.echo(ack["message"])


@click.argument("run")
@click.option(
    "--save/--no-save", "save_result", default=True, show_default=True, help="Write the embedding as it is now."
)
def _stop(run: str, save_result: bool, as_json: bool) -> None:
    """Stop a run after its step; it can be resumed."""
    _steer("stop", run, as_json, save=save_result)


@click.argument("run")
def _pause(run: str, as_json: bool) -> None:
    """Pause a run; its memory stays taken."""
    _steer("pause", run, as_json)


@click.argument("run")
def _unpause(run: str, as_json: bool) -> None:
    """Let a paused run go on."""
    _steer("unpause", run, as_json)


@click.argument("run")
def _save(run: str, as_json: bool) -> None:
    """Save a copy of the embedding and a checkpoint now."""
    _steer("save", run, as_json)


@click.argument("run")
@click.option("--prompt", help="What to draw; the embedding's name or [name] stands for it.")
def _preview(run: str, prompt: str | None, as_json: bool) -> None:
    """Draw a preview now."""
    _steer("preview", run, as_json, **({"prompt": prompt} if prompt else {}))


stop = command("stop")(_stop)
pause = command("pause")(_pause)
unpause = command("unpause")(_unpause)
save = command("save")(_save)
preview = command("preview")(_preview)
