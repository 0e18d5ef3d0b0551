"""Looks after the loop between steps: commands, copies, checkpoints, previews, pauses."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from torch import Tensor

from tinv_tui import paths
from tinv_tui.datasets.infotext import KEYWORD, write_infotext
from tinv_tui.embeddings.cards import SUFFIXES as CARD_SUFFIXES
from tinv_tui.embeddings.cards import write_card, write_png
from tinv_tui.embeddings.files import Embedding, write_embedding
from tinv_tui.embeddings.formats import FORMATS, library_file
from tinv_tui.embeddings.library import is_chosen, is_embedding, keep_aside
from tinv_tui.embeddings.packing import unpack
from tinv_tui.models.hashes import HashInBackground
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.inbox import Command, take_commands
from tinv_tui.training.loop import Job, NotFinite, StepResult
from tinv_tui.training.previews import Interrupted, draw_preview
from tinv_tui.training.state import TrainingState
from tinv_tui.worker.provenance import SmoothedLoss, history_of
from tinv_tui.worker.reporter import Reporter
from tinv_tui.worker.setup import CheckpointFiles, FrozenDataset
from tinv_tui.worker.signals import Signals

_INBOX_SECONDS = 0.1
_PAUSE_POLL_SECONDS = 0.1


class RunAttendant:
    """Does for the loop all that has to do with the run folder."""

    def __init__(
        self, folder: RunFolder, job: Job, reporter: Reporter, signals: Signals, model_hash: HashInBackground
    ) -> None:
        self._model_hash = model_hash
        self._folder = folder
        self._job = job
        self._reporter = reporter
        self._signals = signals
        self._files = CheckpointFiles(folder.checkpoint)
        self._steps_per_epoch = job.recipe.steps_per_epoch(sum(len(b.pictures) for b in job.latents.buckets))
        self._commands: list[Command] = []
        self._looked = 0.0
        self._checkpointed = time.monotonic()
        self._left = time.monotonic()
        self._paused = False
        self._told_of_cards = False
        self._dataset = FrozenDataset.load(self._files.dataset)
        self._smoothed = SmoothedLoss(folder.losses)
        self._settle: Callable[[], None] = lambda: None
        self.stopped = False
        self.wants_result = True

    def stepped(self, result: StepResult) -> None:
        epoch, epoch_step = divmod(result.step - 1, self._steps_per_epoch)
        self._smoothed.add(result.loss)
        self._reporter.step(result.step, result.loss, result.learning_rate, epoch, epoch_step)

    def evaluated(self, state: TrainingState, loss: float, is_best: bool) -> None:
        step, parts = state.step, state.vectors.split(self._job.model.base.widths, dim=1)
        norms = [round(float(n), 4) for part in parts for n in part.norm(dim=1)]  # encoder by encoder
        self._reporter.tell("evaluation", step=step, loss=loss, best=is_best, norms=norms)
        best = {"best_step": step} if is_best else {}
        self._reporter.update(evaluation=loss, **best)

    def goes_on(self, state: TrainingState, last_prompt: str, settle: Callable[[], None]) -> bool:
        self._settle = settle
        self._reporter.took(time.monotonic() - self._left)
        saving = self._job.recipe.saving
        last = state.step == self._job.recipe.training.steps
        if saving.embedding_every and state.step % saving.embedding_every == 0:
            self.save_copy(state)
            self.save_checkpoint(state)
        elif last or time.monotonic() - self._checkpointed > saving.checkpoint_seconds:
            self.save_checkpoint(state)
        self._obey(state, last_prompt)
        if saving.image_every and state.step % saving.image_every == 0 and not self.stopped:
            self.draw_previews(state, self._prompts(last_prompt))
        while not self.stopped and (self._paused or self._commands):
            self._obey(state, last_prompt)
            if self._paused:
                time.sleep(_PAUSE_POLL_SECONDS)
        self._left = time.monotonic()
        return not self.stopped

    def begin(self) -> None:
        """Called when the first step is about to start."""
        self._left = self._checkpointed = time.monotonic()

    def save_checkpoint(self, state: TrainingState) -> None:
        """Losses first, then the state: a row the checkpoint counts on is always on the disk. Raises NotFinite."""
        self._settle()
        self._require_finite(state)
        self._write_checkpoint(state)

    def _require_finite(self, state: TrainingState) -> None:
        if not state.is_finite:  # a gradient can be beyond all bounds where the loss is not
            raise NotFinite(state.step, self._job.rates.rate_at(max(1, state.step)), "an update")

    def _write_checkpoint(self, state: TrainingState) -> None:
        self._reporter.losses.flush()
        state.save(self._files.state)
        self._checkpointed = time.monotonic()
        self._reporter.tell("saved", step=state.step, path=str(self._files.state), what="checkpoint")

    def save_copy(self, state: TrainingState) -> None:
        self._settle()
        self._require_finite(state)
        self._write_copy(state.vectors, state.step, state)

    def rescue(self, state: TrainingState) -> list[Path]:
        """After a :class:`NotFinite`: keep the newest finite vectors and the best ones as copies; the files. Raises OSError.

        On a GPU the state may have gone on beyond the step that broke it: then the checkpoint's is the newest.
        """
        if state.is_finite:
            self._write_checkpoint(state)
        else:
            state = TrainingState.load(self._files.state, state.vectors.device)
        kept = {state.step: state.vectors}
        if state.best_vectors is not None:
            kept[state.best_step] = state.best_vectors
        return [self._write_copy(rows, step, state) for step, rows in sorted(kept.items()) if step]

    def _write_copy(self, rows: Tensor, step: int, state: TrainingState) -> Path:
        name = f"{self._job.recipe.embedding.name}-{step}"
        path = self._folder.copies / f"{name}.safetensors"
        write_embedding(path, self._embedding(rows, step, name, state))
        self._reporter.tell("saved", step=step, path=str(path), what="copy")
        return path

    def save_result(self, state: TrainingState) -> Path:
        """The finished embedding, where the library and other tools look. Raises OSError."""
        name = self._job.recipe.embedding.name
        library = paths.embeddings_folder()
        library.mkdir(parents=True, exist_ok=True)
        forms = [FORMATS[form] for form in self._job.recipe.saving.formats]
        embedding = self._embedding(state.vectors, state.steps_before + state.step, name, state)
        results = []
        for form in forms:
            path = library_file(library, name, form)
            self._keep_what_was_chosen(path, state.step)
            for written in write_embedding(path, embedding, form):
                self._reporter.tell("saved", step=state.step, path=str(written), what="result")
                results.append(written)
        return results[0]

    def _keep_what_was_chosen(self, path: Path, step: int) -> None:
        """A copy that somebody made the result while the run went on is not lost to the run's own end."""
        is_picture = path.suffix in CARD_SUFFIXES and path.is_file() and not is_embedding(path)
        kept = keep_aside(path, f"before-step-{step}") if is_picture or is_chosen(path) else None
        if kept is not None and is_picture:
            self._warn("picture-kept", f"the picture that was called {path.name} is now {kept.name}", "")
        elif kept is not None:
            message = f"the step that was chosen as the result is kept in {kept.name}"
            self._warn("result-kept", message, f"tinv-tui use {self._folder.handle} STEP brings it back.")

    def draw_previews(self, state: TrainingState, texts: list[str]) -> str | None:
        """One picture for each prompt; a preview that fails is a warning, never the end of a run. Returns its message."""
        failure = None
        self._phase("previewing", 0, len(texts))
        for done, text in enumerate(texts, start=1):
            try:
                self._draw_one(state, text)
            except Interrupted:
                break
            except Exception as error:  # noqa: BLE001  whatever it is, training goes on
                failure = f"the preview of step {state.step} failed: {type(error).__name__}: {error}"
                self._warn("preview-failed", failure, "Training goes on; look at the preview settings.")
                break
            self._phase("previewing", done, len(texts))
        self._phase("training", state.step, self._job.recipe.training.steps)
        return failure

    def _prompts(self, last_prompt: str) -> list[str]:
        return list(self._job.recipe.preview.prompts) or [last_prompt]

    def _free_name(self, step: int) -> str:
        """``name-500``, or ``name-500-2`` … where a picture of that step is there already."""
        first = f"{self._job.recipe.embedding.name}-{step}"
        names = (first if n == 1 else f"{first}-{n}" for n in itertools.count(1))
        return next(name for name in names if not (self._folder.images / f"{name}.png").exists())

    def _draw_one(self, state: TrainingState, text: str) -> None:
        job, settings, name = self._job, self._job.recipe.preview, self._free_name(state.step)
        size = settings.width or job.recipe.dataset.width, settings.height or job.recipe.dataset.height
        seed = settings.seed if settings.seed >= 0 else state.step
        image = draw_preview(
            job.model, job.encoder, job.prompts, state.vectors, text, settings, size, seed, self._is_interrupted
        )
        path = self._folder.images / f"{name}.png"
        prompt = job.prompts.readable(text)
        model_hash = self._model_hash.result()
        parameters = write_infotext(prompt, settings, size, seed, job.model.base.name, model_hash=model_hash)
        write_png(path, image, {KEYWORD: parameters})
        self._reporter.tell("preview", step=state.step, path=str(path), prompt=prompt, seed=seed)
        if job.recipe.saving.image_carries_embedding:
            if len(job.model.base.widths) == 1:
                self._write_card(state, image, name, parameters)
            elif not self._told_of_cards:
                self._told_of_cards = True
                label = job.model.base.family.label
                message = (
                    f"a picture cannot carry the two tensors of an {label} embedding: previews are saved without it"
                )
                self._warn("card-impossible", message, "saving.embedding_every keeps copies of the embedding.")

    def _write_card(self, state: TrainingState, image: Image.Image, name: str, parameters: str) -> None:
        """``name`` is the picture's; the embedding in it is called by its step, as a copy is."""
        path = self._folder.image_embeddings / f"{name}.png"
        called = f"{self._job.recipe.embedding.name}-{state.step}"
        write_card(path, image, self._embedding(state.vectors, state.step, called, state), parameters)

    def _embedding(self, rows: Tensor, step: int, name: str, state: TrainingState) -> Embedding:
        recipe, model = self._job.recipe, self._job.model
        details = {
            "family": model.base.family.name,
            "init_text": recipe.embedding.init_text,
            "pictures": str(sum(len(b.pictures) for b in self._job.latents.buckets)),
            "seed": str(recipe.training.seed),
            "learning_rate": recipe.training.learning_rate,
            "samples_per_step": str(recipe.samples_per_step),
            "tool": "tinv-tui",
        }
        # Waited for: what a file says must not depend on how fast the disk is.
        model_hash = self._model_hash.result()
        if model_hash is not None:
            details["base_model_hash"] = model_hash
        return Embedding(
            name=name,
            vectors=unpack(rows.detach().cpu().numpy(), model.base),
            step=step,
            base_model=model.base.name,
            details=details,
            history=history_of(recipe, self._dataset, state, self._smoothed.last),
        )

    def _look(self) -> None:
        """Take new commands out of the inbox, at most ten times a second: a step may be much shorter."""
        if time.monotonic() - self._looked >= _INBOX_SECONDS:
            self._looked = time.monotonic()
            self._commands += take_commands(self._folder.inbox)

    def _is_interrupted(self) -> bool:
        self._look()
        return self._signals.stop.is_set() or any(c.command == "stop" for c in self._commands)

    def _obey(self, state: TrainingState, last_prompt: str) -> None:
        """Carry out what has come in, oldest first, each answered by an ``ack``."""
        if self._signals.stop.is_set():
            self.stopped = True
            return
        if self._signals.save.is_set():
            self._signals.save.clear()
            self.save_checkpoint(state)
        self._look()
        while self._commands and not self.stopped:
            command = self._commands.pop(0)
            try:
                message = self._carry_out(command, state, last_prompt)
                ok = True
            except (OSError, ValueError) as error:
                message, ok = str(error), False
            self._reporter.tell("ack", id=command.id, command=command.command, ok=ok, message=message)

    def _carry_out(self, command: Command, state: TrainingState, last_prompt: str) -> str:
        """Do one command; what was done, in words. Raises OSError or ValueError with the reason it was not."""
        steps = self._job.recipe.training.steps
        match command.command:
            case "stop":
                self.stopped = True
                self.wants_result = command.args.get("save", True) is not False
                return f"stopping at step {state.step}" + ("" if self.wants_result else " without saving a result")
            case "pause" if command.args.get("release"):
                raise ValueError("a pause that gives the memory back is not possible yet; stop and resume instead")
            case "pause":
                self._paused = True
                self._reporter.flush_step()
                self.save_checkpoint(state)
                self._reporter.update(state="paused")
                return f"paused at step {state.step}"
            case "unpause":
                was_paused, self._paused = self._paused, False
                self._reporter.update(state="running")
                return f"going on from step {state.step}" if was_paused else "it was not paused"
            case "save":
                self.save_copy(state)
                self.save_checkpoint(state)
                return f"saved step {state.step} of {steps}"
            case "preview":
                prompt = command.args.get("prompt")
                failure = self.draw_previews(state, [str(prompt)] if prompt else self._prompts(last_prompt))
                if failure:
                    raise ValueError(failure)
                return f"drew step {state.step}"
            case unknown:
                raise ValueError(f"there is no command {unknown!r}")

    def _warn(self, code: str, message: str, hint: str) -> None:
        self._reporter.tell("warning", code=code, message=message, hint=hint)

    def _phase(self, name: str, done: int, total: int) -> None:
        self._reporter.tell("phase", name=name, done=done, total=total)
        self._reporter.update(phase=name)
