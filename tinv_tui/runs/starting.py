"""What comes before a run's worker: a new run's folder, or a folder made ready to go on. It reads models and pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tinv_tui import atomic, paths
from tinv_tui.checkpoint_file import newest_sound
from tinv_tui.errors import InputError
from tinv_tui.printable import many
from tinv_tui.recipe import Recipe
from tinv_tui.recipe_file import load_recipe, to_toml
from tinv_tui.runs.budget import require_time_left
from tinv_tui.runs.changes import Change, change_recipe
from tinv_tui.runs.events import EventReader, EventWriter
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.inbox import take_commands
from tinv_tui.runs.inputs import accept_inputs, compare_inputs, require_same
from tinv_tui.runs.launch import await_last_breath, make_run
from tinv_tui.runs.liveness import RunState, has_worker
from tinv_tui.runs.plan import check_changes, plan_run
from tinv_tui.runs.status import Status, write_status
from tinv_tui.runs.turns import in_turn


def prepare_start(recipe: Recipe, beside: Path) -> RunFolder:
    """Check a recipe and make the folder of its run, ready for a worker, as :meth:`Run.start` says. It may take seconds."""
    return make_run(plan_run(recipe, beside, reads_pixels=False))


def prepare_resume(
    folder: RunFolder,
    state_now: Callable[[], tuple[RunState, Status | None]],
    *,
    steps: int | None = None,
    overrides: Sequence[str] = (),
    anyway: bool = False,
) -> int:
    """Make the folder of a run without a worker ready for a new one, as :meth:`Run.resume` says. It may wait for seconds.

    Returns where in its file of events the new worker's begin. Raises InputError, and then nothing has changed.
    """
    with in_turn(paths.home() / ".resume.lock"):  # whoever comes next sees that a worker is starting
        return _prepare_resume(folder, *state_now(), steps, overrides, anyway)


def _prepare_resume(
    folder: RunFolder, state: RunState, status: Status | None, steps: int | None, overrides: Sequence[str], anyway: bool
) -> int:
    if has_worker(state, status):
        raise InputError("run-live", f"{folder.name} is {state}", "It needs no resuming.")
    await_last_breath(folder)
    recipe = load_recipe(folder.recipe)
    asked = [*overrides, *([f"training.steps={steps}"] if steps else [])]
    kept = _checkpointed(folder)
    changed, changes = change_recipe(recipe, asked, kept)
    total = changed.training.steps
    reached = status.step if status else 0
    if total < reached or (total == reached and state == "finished"):
        raise InputError(
            "run-complete",
            f"{folder.name} is at step {reached} of {recipe.training.steps}: nothing is left to do",
            f"Extend it: tinv-tui resume {folder.handle} --steps {reached * 2}",
        )
    require_time_left(folder, changed)
    inputs = compare_inputs(folder, recipe)
    if not anyway:
        require_same(folder.name, inputs)
    if changes:
        check_changes(changed, folder.path)
        atomic.write_atomic(folder.recipe, to_toml(changed))
    earlier = EventReader(folder.events)
    earlier.skip()
    if inputs.changes:
        accept_inputs(folder, recipe)
        changes += [(change.key, "as the run began", f"changed: {change.what}") for change in inputs.changes]
    _tell_changes(folder, changes, inputs.pictures_gone, kept)
    take_commands(folder.inbox)  # what an earlier worker never took is not meant for this one
    write_status(folder.status, Status(name=recipe.embedding.name, step=reached, steps=total))
    return earlier.offset


def _checkpointed(folder: RunFolder) -> int:
    """The step that the run goes on from; 0 where it begins anew."""
    try:
        return int(newest_sound(folder.state)[1]["step"])
    except (OSError, ValueError, KeyError):
        return 0


def _tell_changes(folder: RunFolder, changes: Sequence[Change], pictures_gone: int, step: int) -> None:
    """Tell what was changed while no worker lived to tell it."""
    if changes or pictures_gone:
        writer = EventWriter(folder.events)
        if pictures_gone:
            message = f"{many(pictures_gone, 'picture')} gone: the run goes on with what it holds of them"
            writer.write("warning", code="pictures-gone", message=message, hint="")
        for key, old, new in changes:
            writer.write("changed", key=key, old=old, new=new, step=step)
        writer.close()
