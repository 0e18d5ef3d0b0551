"""One life of a worker: from an opened run folder to its ``ended`` event."""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import safetensors
import torch

from tinv_tui.checkpoint_file import mend
from tinv_tui.errors import InputError
from tinv_tui.models.hashes import HashInBackground
from tinv_tui.models.identify import identify, locate
from tinv_tui.models.memory_plan import WHOLE
from tinv_tui.recipe import Recipe
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.frozen_dataset import FrozenDataset
from tinv_tui.runs.inputs import record_inputs
from tinv_tui.runs.losses import cut_table
from tinv_tui.runs.plan import plan_run
from tinv_tui.training.guard import NotFinite
from tinv_tui.training.loop import Job, train
from tinv_tui.training.memory import OutOfMemory, is_out_of_memory
from tinv_tui.training.state import TrainingState
from tinv_tui.worker.attendant import RunAttendant
from tinv_tui.worker.disk_room import DiskRoom, GaveUp
from tinv_tui.worker.early import EarlyDesk, EndedEarly
from tinv_tui.worker.encoding import PictureEncoding
from tinv_tui.worker.keeping import Keeper
from tinv_tui.worker.memory import Expected, expect
from tinv_tui.worker.obeying import CommandDesk
from tinv_tui.worker.reporter import Reporter
from tinv_tui.worker.setup import (
    CheckpointFiles,
    choose_device,
    kept_plan,
    load,
    prepare_job,
    prepare_state,
    schedules,
)
from tinv_tui.worker.signals import Signals
from tinv_tui.worker.work import Work

_MORE_MEMORY = (
    "End what else holds memory and resume, or train smaller pictures; training.precision = auto takes least."
)


def run_session(folder: RunFolder, signals: Signals, reporter: Reporter) -> int:
    """Train the run to its end; every way out writes ``ended``. Returns the exit code (0, 1 or 2)."""
    began = time.monotonic()

    def end(state: str, reason: str, *, embedding: str | None = None, **more: Any) -> None:
        seconds = round(time.monotonic() - began, 2)
        rate = reporter.pace.steps_per_second
        try:
            reporter.tell_end(state, reason=reason, embedding=embedding, seconds=seconds, steps_per_second=rate, **more)
            room.write(folder.path, reporter.flush)
        except (GaveUp, EndedEarly, OSError):
            pass  # the status may still find room in place of the old one
        reporter.close(state, reason)

    def release() -> None:
        reporter.update(released=True)
        end("paused", f"its memory is given back; go on: tinv-tui unpause {folder.handle}")

    at_the_end = ExitStack()
    room = DiskRoom(folder.path, reporter, signals.stop.is_set)
    desk: CommandDesk | None = None
    keeper: Keeper | None = None
    try:
        recipe = load_recipe(folder.recipe)
        reporter.update(name=recipe.embedding.name, steps=recipe.training.steps)
        early = EarlyDesk(folder, signals, reporter)
        room.must_stop = early.ends
        job, state, expected = _prepare(folder, recipe, reporter, early, room, at_the_end)
        # Only now: it reads all of the model, and nothing needs it before the first copy.
        model_hash = HashInBackground(locate(recipe.model.path, folder.path))
        work = Work(folder, job, reporter, model_hash, room, expected)
        keeper = Keeper(work)
        desk = CommandDesk(work, keeper, signals, early.waiting)
        attendant = RunAttendant(work, keeper, desk)
        if recipe.saving.tensorboard:
            reporter.open_board(state.step, [job.prompts.readable(text) for text in recipe.preview.prompts])
        reporter.update(state="running", phase="training", step=state.step)
        reporter.tell("phase", name="training", done=state.step, total=recipe.training.steps)
        attendant.begin()
        if state.step == 0:
            keeper.save_checkpoint(state)
        train(work.job, state, attendant)
        while desk.takes_up_job():
            train(work.job, state, attendant)
        finished = state.step >= work.job.recipe.training.steps
        is_over = not (finished or desk.is_stopped) and attendant.is_time_over(state)
        chosen = _step_of_result(work.job.recipe, state, is_over=is_over)
        result = _save_all(keeper, chosen if desk.wants_result else 0, state, reporter)
        if desk.is_released:
            release()
            return 0
        reason = "all steps done" if finished else "as told"
        if is_over:
            reason = f"the {work.job.recipe.training.minutes:g} minutes are over"
        if result and chosen != state.step:
            reason += f"; the result is the best so far, of step {chosen}"
        elif result and work.job.recipe.saving.result == "best" and state.best_step != state.step:
            reason += "; the result is the last: no step was measured to be better than the start"
        end("finished" if finished else "stopped", reason, embedding=result)
        return 0
    except EndedEarly as ended:
        room.must_stop = lambda: True
        release() if ended.released else end("stopped", "told to stop before the first step")
        return 0
    except GaveUp as lack:
        if desk is not None:
            desk.dismiss(f"stopping: {lack}")
        end("stopped", f"told to stop while {lack}", hint=_after_giving_up(folder))
        return 0
    except InputError as error:
        end("failed", error.message, code=error.code, hint=error.hint)
        return 2
    except NotFinite as error:
        assert keeper is not None
        kept = _rescue(keeper, state)
        hint = _after_not_finite(error, folder)
        reporter.update(step=state.step)
        end("failed", f"{error}; {kept}", code="not-finite", hint=hint)
        return 1
    except Exception as error:  # noqa: BLE001  the run must say how it ended, whatever it was
        if isinstance(error, OutOfMemory) or is_out_of_memory(error):
            reason = _without_memory(error, reporter)
            if isinstance(error, OutOfMemory) and keeper is not None:
                reason += _save_last(keeper, state, reporter)  # the state is that of the last step made
            end("failed", reason, code="memory-out", hint=_MORE_MEMORY)
            return 1
        _print_story()
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        end("failed", message, code="internal", hint=f"The whole story is in {folder.worker_log}")
        return 1
    finally:
        at_the_end.close()  # only once the end is told: a picture may still be encoded to its end


def _prepare(
    folder: RunFolder, recipe: Recipe, reporter: Reporter, early: EarlyDesk, room: DiskRoom, at_the_end: ExitStack
) -> tuple[Job, TrainingState, Expected | None]:
    """Load, encode, and take up the checkpoint if there is one; and what memory steps should take.

    Raises InputError or EndedEarly.
    """
    files = CheckpointFiles(folder.checkpoint)
    reporter.tell("phase", name="loading", done=0, total=1)
    device = choose_device()
    _name_device(device, reporter)
    if files.dataset.exists():
        dataset = FrozenDataset.load(files.dataset)
        warnings: tuple[tuple[str, str], ...] = ()
        model_facts = identify(recipe.model.path, folder.path)
    else:
        plan = plan_run(recipe, folder.path, name_is_settled=True)
        dataset, warnings, model_facts = FrozenDataset.of(plan).hashed(), plan.warnings, plan.model
        hashes = dict(zip(dataset.files, dataset.hashes, strict=True))
        room.write(files.dataset, partial(record_inputs, folder, recipe, hashes))
        room.write(files.dataset, partial(dataset.save, files.dataset))

    def loaded(done: int, total: int) -> None:
        early.look()
        encoding.look()
        reporter.tell("phase", name="loading", done=done, total=total)

    with _reading(files.state):
        damage = mend(files.state)
        state_file_exists = files.state.exists()
        kept = kept_plan(files)
    expected = expect(recipe, model_facts, dataset.groups, device, kept)
    plan_of_steps = expected.plan if expected is not None else WHOLE
    encoding = PictureEncoding(recipe, dataset, files, reporter, early)
    at_the_end.callback(encoding.abandon)
    model = encoding.beside(partial(load, recipe, model_facts, device, loaded, plan=plan_of_steps), plan_of_steps)
    with _reading(files.state):
        state = prepare_state(recipe, model, files, folder, plan_of_steps)
    if state_file_exists:
        size = folder.losses.stat().st_size if folder.losses.exists() else 0
        room.write(folder.losses, partial(cut_table, folder.losses, state.step), size)
    reporter.update(step=state.step, best_step=state.best_step if state.best_evaluation is not None else None)
    reporter.tell(
        "started",
        run=folder.name,
        steps=recipe.training.steps,
        from_step=state.step,
        device=reporter.status.device,
        family=model_facts.family.name,
        pid=os.getpid(),
        host=socket.gethostname(),
        model=model_facts.name,
        pictures=len(dataset.files),
        seed=recipe.training.seed,
    )
    reporter.tell("note", message=model.computing)
    if damage is not None:
        message = f"{files.state}: {damage}; going on from the one before it, of step {state.step}"
        reporter.tell("warning", code="checkpoint-older", message=message, hint="Look at the disk.")
    squeezed = state.plan.in_words(recipe.training.batch_size)
    if squeezed and state_file_exists:
        hint = "Memory did not do for more before; the run keeps to it, so that it goes on to the same bytes."
        reporter.tell("warning", code="memory-plan", message=f"going on with {squeezed}", hint=hint)
    if expected is not None:
        reporter.tell("note", message=expected.in_words(), free_bytes=expected.free_bytes, **expected.facts())
    for code, message in warnings:
        reporter.tell("warning", code=code, message=message, hint="")

    latents = encoding.latents(model, room)
    job = prepare_job(recipe, *schedules(recipe), dataset, model, latents)
    early.look()
    return job, state, expected


@contextmanager
def _reading(checkpoint: Path) -> Iterator[None]:
    """What cannot be read of a checkpoint is a fault of input. Raises InputError."""
    try:
        yield
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise InputError(
            "checkpoint-broken", f"{checkpoint}: {error}", "Start the recipe again as a new run."
        ) from None


def _name_device(device: torch.device, reporter: Reporter) -> None:
    """What was taken before torch was there holds, unless torch cannot use it."""
    expected = reporter.status.device
    if device.type == "cpu":
        reporter.update(device="cpu")
        if expected != "cpu":
            message = f"torch cannot use {expected}: this run trains on the processor"
            hint = "The driver may be older than torch's CUDA: tinv-tui doctor tells."
            reporter.tell("warning", code="gpu-unused", message=message, hint=hint)
        return
    reporter.gpu_bytes = torch.cuda.memory_reserved
    if expected == "cpu":
        reporter.update(device=f"{device} ({torch.cuda.get_device_name(device)})")


def _step_of_result(recipe: Recipe, state: TrainingState, *, is_over: bool) -> int:
    """Which vectors become the result: the last, or the best where those are wanted and training has made any."""
    wants_best = recipe.saving.result == "best" or (recipe.saving.result == "auto" and is_over)
    return state.best_step if wants_best and state.best_vectors is not None and state.best_step else state.step


def _save_all(keeper: Keeper, step: int, state: TrainingState, reporter: Reporter) -> str | None:
    """The checkpoint, and the result of ``step``; 0 for none."""
    reporter.update(phase="saving")
    reporter.flush_step()
    keeper.save_checkpoint(state)
    return str(keeper.save_result(state, step)) if step else None


def _save_last(keeper: Keeper, state: TrainingState, reporter: Reporter) -> str:
    """The checkpoint of a run that has failed already: what hinders it, as an end of the reason, must not hide why it did."""
    try:
        _save_all(keeper, 0, state, reporter)
    except Exception as error:  # noqa: BLE001  the run must say how it ended, whatever it was
        _print_story()
        return f"; its last steps could not be saved: {_in_a_line(error)}"
    return ""


def _print_story() -> None:
    with suppress(OSError):  # it goes to the run's folder, whose disk may be the trouble
        traceback.print_exc()


def _without_memory(error: BaseException, reporter: Reporter) -> str:
    if isinstance(error, OutOfMemory):
        return str(error)
    return f"out of memory while {reporter.status.phase}: {error}".partition("\n")[0]


def _after_not_finite(error: NotFinite, folder: RunFolder) -> str:
    if error.suspect == 0:
        return (
            "No step has been made, so it is not the rate: look at the starting vectors, pictures, model and precision."
        )
    lower = f"tinv-tui resume {folder.handle} --set training.learning_rate={error.learning_rate / 10:g}"
    return f"The rate {error.learning_rate:g} is probably too high; go on with a tenth of it: {lower}"


def _after_giving_up(folder: RunFolder) -> str:
    return (
        f"Nothing was saved since its last checkpoint. Once the disk takes it, go on: tinv-tui resume {folder.handle}"
    )


def _in_a_line(error: Exception) -> str:
    told = str(error) if isinstance(error, (GaveUp, InputError, OSError)) else f"{type(error).__name__}: {error}"
    return told.splitlines()[0]


def _rescue(keeper: Keeper, state: TrainingState) -> str:
    """Keep what is good; what that is, in words."""
    try:
        kept = keeper.rescue(state)
    except Exception as error:  # noqa: BLE001  the run must say how it ended, whatever it was
        _print_story()
        return f"the last good vectors could not be kept: {_in_a_line(error)}"
    return f"kept: {', '.join(path.stem for path in kept)}" if kept else "nothing had been learned yet"
