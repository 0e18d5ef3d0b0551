"""Commands to a running worker: stop, pause, unpause, save, preview, set."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from typing import Any

import click

from tinv_tui.cli.output import JobFailed, command, is_terminal, print_json, say
from tinv_tui.errors import InputError
from tinv_tui.printable import printable
from tinv_tui.runs.ending import is_gone, kill_worker, terminate_worker
from tinv_tui.runs.folder import find_run
from tinv_tui.runs.liveness import has_worker, in_words
from tinv_tui.runs.run import Run


def _steer(name: str, run: str, as_json: bool, **args: Any) -> None:
    """Leave the command and wait for the worker's answer."""
    handle = Run(find_run(run))
    _say(handle, name, _command(handle, name, **args), as_json)


def _command(handle: Run, name: str, **args: Any) -> str:
    """What the worker answered. Raises JobFailed when it refused."""
    ack = asyncio.run(handle.command(name, **args))
    if not ack["ok"]:
        raise JobFailed("command-refused", str(ack["message"]), "", 1, _facts(handle, name))
    return str(ack["message"])


def _say(handle: Run, name: str, message: str, as_json: bool) -> None:
    if as_json:
        print_json(_facts(handle, name) | {"ok": True, "message": message})
    else:
        for line in message.split("\n"):
            say(line)


def _facts(handle: Run, name: str) -> dict[str, Any]:
    return {"run": str(handle.folder.path), "name": handle.folder.name, "command": name}


@click.argument("run")
@click.option(
    "--save/--no-save", "save_result", default=True, show_default=True, help="Write the embedding as it is now."
)
@click.option(
    "--force", is_flag=True, help="Where it does not hear: end its process (TERM), then kill it; asks before."
)
@click.option("--yes", is_flag=True, help="With --force: do not ask.")
@click.option("--patience", type=click.FloatRange(min=0), default=10.0, show_default=True, help="Seconds for each try.")
def _stop(run: str, save_result: bool, force: bool, yes: bool, patience: float, as_json: bool) -> None:
    """Stop a run after its step; it can be resumed."""
    if not force:
        _steer("stop", run, as_json, save=save_result)
        return
    if not yes and (as_json or not is_terminal()):
        raise InputError("not-confirmed", "--force asks before each blow, and there is no terminal", "Add --yes.")
    handle = Run(find_run(run))
    said = _end(handle, save=save_result, patience=patience, sure=yes)
    _say(handle, "stop", said, as_json)


def _end(handle: Run, *, save: bool, patience: float, sure: bool) -> str:
    """Ask, tell the process, kill it: each for as long as there is patience; what it took. Raises InputError.

    Its questions are put between the loops: within one the first ctrl-c would only be noted.
    """
    folder = handle.folder
    if said := asyncio.run(_ask_to_stop(handle, save=save, patience=patience)):
        return said
    _confirm(f"{folder.name} has not ended when it was asked to. Tell its process to end (TERM)?", sure)
    terminate_worker(folder)
    if asyncio.run(is_gone(folder, patience)):
        return "ended its process, which saved what it had"
    _confirm("It is still there. Kill it? What it learned since its last checkpoint is lost.", sure)
    kill_worker(folder)
    if asyncio.run(is_gone(folder, patience)):
        return f"killed; go on from the last checkpoint: tinv-tui resume {folder.handle}"
    raise InputError(
        "worker-stuck", f"{folder.name} cannot be killed", "It waits for a disk or a driver in the kernel."
    )


async def _ask_to_stop(handle: Run, *, save: bool, patience: float) -> str:
    """What it answered before it ended; "" where it has not."""
    try:
        ack = await handle.command("stop", patience=patience, save=save)
        if ack["ok"] and await is_gone(handle.folder, patience):
            return str(ack["message"])
    except InputError as error:
        if error.code != "run-silent":
            raise
    return ""


def _confirm(question: str, sure: bool) -> None:
    """Raises click.Abort where the answer is no, or none."""
    if sure:
        return
    try:
        is_agreed = click.confirm(printable(question), err=True)
    except click.Abort:
        is_agreed = False
        say("", err=True)  # the cursor stands behind the question
    if not is_agreed:
        say("left as it is; it was asked to stop, and will once it hears that", err=True)
        raise click.Abort


@click.argument("run")
@click.option("--release", is_flag=True, help="Give the memory back too: the worker ends; unpause starts another.")
def _pause(run: str, release: bool, as_json: bool) -> None:
    """Pause a run; without --release its memory stays taken."""
    _steer("pause", run, as_json, **({"release": True} if release else {}))


@click.argument("run")
def _unpause(run: str, as_json: bool) -> None:
    """Let a paused run go on."""
    handle = Run(find_run(run))
    _say(handle, "unpause", asyncio.run(handle.unpause()), as_json)


@click.argument("run")
def _save(run: str, as_json: bool) -> None:
    """Save a copy of the embedding and a checkpoint now."""
    _steer("save", run, as_json)


@click.argument("run")
@click.option("--prompt", help="What to draw; the embedding's name or [name] stands for it.")
def _preview(run: str, prompt: str | None, as_json: bool) -> None:
    """Draw a preview now."""
    _steer("preview", run, as_json, **({"prompt": prompt} if prompt else {}))


@click.argument("run")
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE…")
def _set(run: str, changes: tuple[str, ...], as_json: bool) -> None:
    """Change the learning rate, the number of steps, previews or intervals of a run while it goes on."""
    from tinv_tui.recipe_file import load_recipe, read_override  # pydantic, which a stop does not wait for
    from tinv_tui.runs.changes import change_live, change_recipe
    from tinv_tui.runs.plan import check_changes

    handle = Run(find_run(run))
    pairs = [read_override(change, "set") for change in changes]
    recipe = load_recipe(handle.folder.recipe)
    state, status = handle.state()
    if not has_worker(state, status):
        change_recipe(recipe, changes)  # what a resume would refuse is not advised
        sets = " ".join(f"--set {shlex.quote(change)}" for change in changes)
        message = f"{handle.folder.name} is {in_words(state, status)}: it takes no commands"
        raise InputError("run-not-live", message, f"tinv-tui resume {handle.folder.handle} {sets}")
    for key, value in pairs:  # all of them are looked at before the first is sent
        recipe, _ = change_live(recipe, key, value, status.step if status else 0)
    check_changes(recipe, handle.folder.path)
    said = list[str]()
    for key, value in pairs:
        try:
            said.append(_command(handle, "set", key=key, value=value))
        except (JobFailed, InputError) as error:  # what the run did before is told too
            raise _after(said, error) from None
    _say(handle, "set", "\n".join(said), as_json)


def _after(said: Sequence[str], error: JobFailed | InputError) -> JobFailed | InputError:
    """The error with what was done before it."""
    if not said:
        return error
    done = f"; before that: {'; '.join(said)}"
    if isinstance(error, JobFailed):
        return JobFailed(error.code, f"{error}{done}", error.hint, error.exit_code, error.more | {"done": list(said)})
    return InputError(error.code, f"{error.message}{done}", error.hint)


stop = command("stop")(_stop)
pause = command("pause")(_pause)
unpause = command("unpause")(_unpause)
save = command("save")(_save)
preview = command("preview")(_preview)
set = command("set")(_set)  # what the command is called
