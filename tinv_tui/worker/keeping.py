"""Keeps what a run has learned: checkpoints, copies on the way, the result in the library."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import Tensor

from tinv_tui import paths
from tinv_tui.checkpoint_file import forget_before
from tinv_tui.embeddings.embedding import STEPS_BEFORE
from tinv_tui.embeddings.files import Embedding, write_embedding
from tinv_tui.embeddings.formats import CARD_SUFFIXES, FORMATS, library_file
from tinv_tui.embeddings.library import is_chosen, is_embedding, is_trained, keep_aside, what_hides
from tinv_tui.embeddings.packing import unpack
from tinv_tui.runs.frozen_dataset import FrozenDataset
from tinv_tui.runs.provenance import SmoothedLoss, details_of, history_of
from tinv_tui.runs.results import is_as_known, remember_result
from tinv_tui.training.guard import NotFinite
from tinv_tui.training.loop import rate_of
from tinv_tui.training.state import TrainingState
from tinv_tui.worker.setup import CheckpointFiles
from tinv_tui.worker.work import Work


class Keeper:
    """Writes the state of a run to the disk, and makes embeddings of it."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._files = CheckpointFiles(work.folder.checkpoint)
        self._dataset = FrozenDataset.load(self._files.dataset)
        self._checkpointed = time.monotonic()
        self.smoothed = SmoothedLoss(work.folder.losses)
        self.settle: Callable[[], None] = lambda: None
        """Waits for results still on their way from the device: see :meth:`Attendant.goes_on`."""

    def begin(self) -> None:
        """Called when the first step is about to start."""
        self._checkpointed = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether the last checkpoint is older than the recipe allows."""
        return time.monotonic() - self._checkpointed > self._work.job.recipe.saving.checkpoint_seconds

    def save_checkpoint(self, state: TrainingState) -> None:
        """Losses first, then the state: a row the checkpoint counts on is always on the disk. Raises NotFinite."""
        self.settle()
        self._require_finite(state)
        self._write_checkpoint(state)

    def _require_finite(self, state: TrainingState) -> None:
        if not state.is_finite:  # a gradient can be beyond all bounds where the loss is not
            raise NotFinite(state.step, rate_of(self._work.job, state), "the update", suspect=state.step)

    def _write_checkpoint(self, state: TrainingState) -> None:
        room, reporter = self._work.room, self._work.reporter
        room.write(self._files.state, reporter.losses.flush)
        if not os.path.exists(self._files.dataset):  # its folder was gone: a resume reads the captions as they were
            room.write(self._files.dataset, partial(self._dataset.save, self._files.dataset))
        room.write(self._files.state, lambda: state.save(self._files.state), 5 * state.vectors.nbytes)
        self._checkpointed = time.monotonic()
        self._work.reporter.tell("saved", step=state.step, path=str(self._files.state), what="checkpoint")

    def go_back(self, state: TrainingState) -> None:
        """Forget what was kept and told of the steps after the state's. Raises OSError.

        The state is written first: a run that is killed between these lines has every row that its checkpoint counts on.
        """
        self.settle = lambda: None  # there is nothing left to wait for
        self._write_checkpoint(state)
        forget_before(self._files.state)
        self._work.reporter.go_back(state.step)
        self.smoothed = SmoothedLoss(self._work.folder.losses)

    def save_copy(self, state: TrainingState) -> None:
        self.settle()
        self._require_finite(state)
        self._write_copy(state.vectors, state.step, state)

    def rescue(self, state: TrainingState) -> list[Path]:
        """After halving the rate in vain: keep the last good and the best vectors as copies; the files. Raises OSError."""
        self.go_back(state)
        kept = {state.step: state.vectors}
        if state.best_vectors is not None:
            kept[state.best_step] = state.best_vectors
        return [self._write_copy(rows, step, state) for step, rows in sorted(kept.items()) if step]

    def _write_copy(self, rows: Tensor, step: int, state: TrainingState) -> Path:
        name = f"{self._work.job.recipe.embedding.name}-{step}"
        path = self._work.folder.copies / f"{name}.safetensors"
        embedding = self.embedding(rows, step, name, state)
        if state.steps_before:  # a copy tells its own run's steps: who goes on from it adds these
            embedding = replace(embedding, details={**embedding.details, STEPS_BEFORE: str(state.steps_before)})
        self._work.room.write(path, lambda: write_embedding(path, embedding), 2 * rows.nbytes)
        self._work.reporter.tell("saved", step=step, path=str(path), what="copy")
        return path

    def save_result(self, state: TrainingState, step: int) -> Path:
        """The finished embedding, where the library and other tools look. Raises OSError.

        ``step`` is the last one, or that of the best vectors.
        """
        rows = state.vectors if step == state.step or state.best_vectors is None else state.best_vectors
        recipe = self._work.job.recipe
        name = recipe.embedding.name
        library = paths.embeddings_folder()
        self._work.room.write(library, lambda: library.mkdir(parents=True, exist_ok=True))
        embedding = self.embedding(rows, state.steps_before + step, name, state)
        results = []
        for form in [FORMATS[form] for form in recipe.saving.formats]:
            path = library_file(library, name, form)
            size = 2 * rows.nbytes
            self._work.room.write(path, partial(self._keep_what_is_not_ours, path, step), size)
            for written in self._work.room.write(path, partial(write_embedding, path, embedding, form), size):
                self._work.reporter.tell("saved", step=step, path=str(written), what="result")
                results.append(written)
            self._work.room.write(self._work.folder.results, partial(remember_result, self._work.folder, path), size)
        while (hides := what_hides(library, name, results)) is not None:
            self._work.room.write(hides, partial(self._put_aside, hides, step), size)
        return results[0]

    def _put_aside(self, path: Path, step: int) -> None:
        kept = keep_aside(path, f"before-step-{step}")
        path.unlink()
        if kept is not None:
            message = f"{path.name} hid the result, which is of another format: it is called {kept.name} now"
            self._work.warn("embedding-kept", message, "")

    def _keep_what_is_not_ours(self, path: Path, step: int) -> None:
        """A copy that somebody made the result while the run went on is not lost to the run's own end, nor is what another
        run, or another tool, has put there since this one began."""
        is_picture = path.suffix in CARD_SUFFIXES and path.is_file() and not is_embedding(path)
        is_mine = is_chosen(path)
        if not (is_picture or is_mine or self._is_anothers(path)):
            return
        kept = keep_aside(path, f"before-step-{step}")
        if kept is None:
            return
        if is_picture:
            self._work.warn("picture-kept", f"the picture that was called {path.name} is now {kept.name}", "")
        elif is_mine:
            message = f"the step that was chosen as the result is kept in {kept.name}"
            self._work.warn("result-kept", message, f"tinv-tui use {self._work.folder.handle} STEP brings it back.")
        else:
            self._work.warn(
                "embedding-kept", f"{path.name} was not this run's: what it held is kept in {kept.name}", ""
            )

    def _is_anothers(self, path: Path) -> bool:
        """Whether there is a trained embedding that this run did not write, and was not told to replace: what was there
        when it began may be that, what came after is not."""
        if not is_trained(path):
            return False
        is_known = is_as_known(self._work.folder, path)
        if is_known is None:  # made without a word of what was there
            asked = self._work.job.recipe.embedding
            return not (asked.overwrite or asked.continue_from)
        return not is_known

    def embedding(self, rows: Tensor, step: int, name: str, state: TrainingState) -> Embedding:
        """Vectors ([n, sum of widths]) as an embedding with the run's history in it."""
        recipe, model = self._work.job.recipe, self._work.job.model
        # Waited for: what a file says must not depend on how fast the disk is.
        model_hash = self._work.model_hash.result()
        best = None if state.best_evaluation is None else (state.best_step, state.best_evaluation)
        return Embedding(
            name=name,
            vectors=unpack(rows.detach().cpu().numpy(), model.base),
            step=step,
            base_model=model.base.name,
            details=details_of(recipe, model.base.family.name, self._work.pictures, model_hash),
            history=history_of(recipe, self._dataset, self.smoothed.last, best),
        )
