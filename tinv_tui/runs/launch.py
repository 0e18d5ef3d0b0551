"""Starts the worker of a run: its own process, in its own session, deaf to the terminal it came from."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tinv_tui import atomic, paths
from tinv_tui.errors import InputError
from tinv_tui.interpreter import PYTHON
from tinv_tui.recipe import Recipe
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.folder import RunFolder, create_run_folder, whole_or_gone
from tinv_tui.runs.left_open import note_what_was_open
from tinv_tui.runs.liveness import STOPPING, is_locked
from tinv_tui.runs.log_directories import remember
from tinv_tui.runs.orphans import MARK
from tinv_tui.runs.plan import RunPlan, settle_name
from tinv_tui.runs.results import note_what_was_there
from tinv_tui.runs.status import Status, write_status
from tinv_tui.runs.turns import in_turn
from tinv_tui.sections import EmbeddingSection
from tinv_tui.telemetry.room import NVIDIA_ORDER

_LAST_BREATH_SECONDS = 20.0


def make_run(plan: RunPlan) -> RunFolder:
    """The run folder of a plan, its recipe written. Raises InputError.

    Two commands that were planned at the same moment may have chosen one name: it is settled here, one at a time, and may be
    another than the plan's.
    """
    try:
        paths.home().mkdir(parents=True, exist_ok=True)
        with in_turn(paths.home() / ".names.lock"):
            recipe = plan.recipe.model_copy(update={"embedding": _with_free_name(plan)})
            return _make_run(recipe, plan.settled)
    except OSError as error:
        raise InputError("home-unwritable", f"{paths.home()}: {error}", "Set TINV_HOME to a folder of yours.") from None


def _with_free_name(plan: RunPlan) -> EmbeddingSection:
    embedding = plan.recipe.embedding
    asked = plan.recipe.model_copy(update={"embedding": embedding.model_copy(update={"name": plan.asked_name})})
    return embedding.model_copy(update={"name": settle_name(asked)[0]})


def _make_run(recipe: Recipe, settled: dict[str, Any]) -> RunFolder:
    log_directory = Path(recipe.saving.log_directory or paths.runs_folder())
    folder = create_run_folder(log_directory, recipe.embedding.name)
    with whole_or_gone(folder):
        remember(log_directory)
        note_what_was_there(folder, recipe)
        note_what_was_open(folder, settled)
        atomic.write_atomic(folder.recipe, to_toml(recipe))
        write_status(folder.status, Status(name=recipe.embedding.name, steps=recipe.training.steps))
    return folder


@contextmanager
def _stopping_held_back() -> Iterator[None]:
    """A worker that is started here hears that it is to stop once it can: before, it would end without a word."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def await_last_breath(folder: RunFolder) -> None:
    """Wait, for a few seconds at most, until a worker that has said its last word is gone."""
    deadline = time.monotonic() + _LAST_BREATH_SECONDS
    while is_locked(folder.lock) and time.monotonic() < deadline:
        time.sleep(0.05)


def launch_worker(folder: RunFolder, wait_free_bytes: int = 0) -> subprocess.Popen[bytes]:
    """Exec the worker on a run folder; returns at once. Raises InputError when the run already has a living worker.

    The worker loads nothing before its device has ``wait_free_bytes`` of free memory.
    """
    if is_locked(folder.lock):
        raise InputError("run-live", f"{folder.name} is running already", f"Watch it: tinv-tui attach {folder.handle}")
    waiting = ["--wait-free", str(wait_free_bytes)] if wait_free_bytes else []
    with atomic.open_to_append(folder.worker_log) as log, _stopping_held_back():
        return subprocess.Popen(
            [*PYTHON, "-m", "tinv_tui.worker", str(folder.path), *waiting],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
            cwd="/",
            env={
                **NVIDIA_ORDER,
                **os.environ,
                MARK: str(folder.path),
                "TINV_HOME": str(paths.home()),  # it may be relative, and the worker works elsewhere
                "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # without it CUDA cannot repeat a matrix product to the bit
                "PYTHONUNBUFFERED": "1",
            },
        )
