"""The layout of a run folder: who may write what where is told here and nowhere else."""

from __future__ import annotations

import os
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tinv_tui.atomic import chmod_where_it_can
from tinv_tui.errors import InputError
from tinv_tui.runs.events import began_at
from tinv_tui.runs.log_directories import log_directories

STATE_FILE = "state.safetensors"
DATASET_FILE = "dataset.json"


@dataclass(frozen=True)
class RunFolder:
    """One run. ``path`` is absolute; its last part is the run's name, the one before it the date it was made."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def handle(self) -> str:
        """What a person types to mean this run: its name, or its path where names are not looked up; quoted."""
        is_looked_up = self.path.parent.parent in log_directories()
        return shlex.quote(self.name if is_looked_up else str(self.path))

    @property
    def is_gone(self) -> bool:
        """Whether it was deleted or moved away. A file system that does not answer is not taken for that."""
        try:
            self.path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False
        return False

    @property
    def recipe(self) -> Path:
        """What was asked, complete and resolved."""
        return self.path / "recipe.toml"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def status(self) -> Path:
        return self.path / "status.json"

    @property
    def losses(self) -> Path:
        return self.path / "textual_inversion_loss.csv"

    @property
    def inbox(self) -> Path:
        return self.path / "inbox"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def worker_log(self) -> Path:
        return self.path / "worker.log"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint"

    @property
    def state(self) -> Path:
        """The vectors, the best ones, and all else that a resume goes on from."""
        return self.checkpoint / STATE_FILE

    @property
    def dataset(self) -> Path:
        """Captions, sizes and template lines as they were when the run began."""
        return self.checkpoint / DATASET_FILE

    @property
    def inputs(self) -> Path:
        """Which files of model and dataset the run began with."""
        return self.checkpoint / "inputs.json"

    @property
    def results(self) -> Path:
        """What the run wrote into the library, or found there to replace: the SHA-256 of each file by its path, "" for none."""
        return self.path / "results.json"

    @property
    def left_open(self) -> Path:
        """What the recipe left open, by its key, and what the run took. May not exist."""
        return self.path / "left_open.json"

    @property
    def copies(self) -> Path:
        return self.path / "embeddings"

    @property
    def images(self) -> Path:
        return self.path / "images"

    @property
    def image_embeddings(self) -> Path:
        return self.path / "image_embeddings"

    @property
    def tensorboard(self) -> Path:
        """Made only where it is wanted."""
        return self.path / "tensorboard"


def create_run_folder(log_directory: Path, name: str) -> RunFolder:
    """Make ``<log directory>/<date>/<name>``, or ``name-2`` … when it is taken; 0700 with its subfolders.

    Raises InputError when the folder cannot be made.
    """
    day = log_directory / datetime.now().astimezone().date().isoformat()
    try:
        day.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            folder = RunFolder(day / (name if number == 1 else f"{name}-{number}"))
            try:
                folder.path.mkdir(mode=0o700)
                break
            except FileExistsError:
                number += 1
    except OSError as error:
        raise _not_to_be_made(error) from None
    with whole_or_gone(folder):
        chmod_where_it_can(folder.path, 0o700)
        for part in (folder.inbox, folder.checkpoint, folder.copies, folder.images, folder.image_embeddings):
            part.mkdir(mode=0o700)
    return folder


@contextmanager
def whole_or_gone(folder: RunFolder) -> Iterator[None]:
    """What makes a run: where something fails, nothing is left of the folder. Raises InputError in place of OSError."""
    try:
        yield
    except BaseException as error:
        shutil.rmtree(folder.path, ignore_errors=True)
        if isinstance(error, OSError):
            raise _not_to_be_made(error) from None
        raise


def _not_to_be_made(error: OSError) -> InputError:
    return InputError("run-folder", f"saving.log_directory: {error}", "Choose a folder you can write to.")


def all_runs(log_directory: Path | None = None) -> list[RunFolder]:
    """Every run below a log directory, or below all that are known; first those that were made last."""
    folders = [log_directory] if log_directory is not None else log_directories()
    runs = {run for folder in folders for run in _runs_below(folder)}
    of_a_day = Counter(_day(run) for run in runs)

    def made(run: RunFolder) -> tuple[str, float, float]:
        day = _day(run)
        return day, *(_made_at(run) if of_a_day[day] > 1 else (0.0, 0.0))  # there may be hundreds, on a slow disk

    return sorted(runs, key=made, reverse=True)


def find_run(text: str) -> RunFolder:
    """The run a user means: a path, ``date/name``, or a name, of which the newest is taken. Raises InputError."""
    for candidate in (Path(os.path.expanduser(text)), *(folder / text for folder in log_directories())):
        if (candidate / "recipe.toml").is_file():
            return RunFolder(candidate.absolute())
    named = [run for run in all_runs() if run.name == text]
    if named:
        return named[0]
    known = ", ".join(dict.fromkeys(run.name for run in all_runs()[:8])) or "none yet"
    places = ", ".join(str(folder) for folder in log_directories())
    raise InputError("run-missing", f"there is no run {text!r} in {places}", f"Runs: {known}.")


def _runs_below(log_directory: Path) -> Iterator[RunFolder]:
    with suppress(OSError):  # no folder can have such a name
        for recipe in log_directory.glob("*/*/recipe.toml"):
            yield RunFolder(recipe.parent)


def _day(run: RunFolder) -> str:
    return run.path.parent.name


def _made_at(run: RunFolder) -> tuple[float, float]:
    """The recipe is what is written first; a resume or a change writes it again, and then the run's story is older.

    Of two whose stories began at one moment, as that of a copy does, the recipe decides: it comes second.
    """
    began = began_at(run.events)
    try:
        written = run.recipe.stat().st_mtime
    except OSError:
        return began or 0.0, 0.0
    return written if began is None else min(began, written), written
