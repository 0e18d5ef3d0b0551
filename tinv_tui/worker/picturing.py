"""Draws a run's previews, as pictures and as cards that carry the embedding."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from PIL import Image

from tinv_tui.datasets.infotext import KEYWORD, write_infotext
from tinv_tui.embeddings.cards import write_card, write_png
from tinv_tui.models.memory_plan import WHOLE
from tinv_tui.training.previews import Interrupted, PreviewLimits, draw_previews
from tinv_tui.training.state import TrainingState
from tinv_tui.worker.disk_room import GaveUp
from tinv_tui.worker.keeping import Keeper
from tinv_tui.worker.work import Work


class Previewer:
    """Draws with the live modules. ``is_interrupted`` is asked between the steps of a picture."""

    def __init__(self, work: Work, keeper: Keeper, is_interrupted: Callable[[], bool]) -> None:
        self._work = work
        self._keeper = keeper
        self._is_interrupted = is_interrupted
        self._told_of_cards = False
        self._told_of_tiles = False
        self._limits = PreviewLimits(tiled=self._decoded_in_tiles)

    def draw(self, state: TrainingState, texts: list[str]) -> str | None:
        """One picture for each prompt; a preview that fails is a warning, never the end of a run. Returns its message."""
        failure = None
        self._work.phase("previewing", 0, len(texts))
        try:
            for done, (text, image) in enumerate(zip(texts, self._pictures(state, texts), strict=True), start=1):
                self._keep(state, text, image)
                self._work.phase("previewing", done, len(texts))
        except Interrupted:
            pass
        except GaveUp:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, training goes on
            failure = f"the preview of step {state.step} failed: {type(error).__name__}: {error}"
            self._work.warn("preview-failed", failure, "Training goes on; look at the preview settings.")
        self._work.phase("training", state.step, self._work.job.recipe.training.steps)
        return failure

    def prompts(self, last_prompt: str) -> list[str]:
        """What is drawn unasked: the recipe's prompts, else the step's own."""
        return list(self._work.job.recipe.preview.prompts) or [last_prompt]

    @property
    def worth(self) -> float:
        """How many steps drawing them takes, about: a step goes forward once for each sample, and back for twice as much."""
        recipe = self._work.job.recipe
        (width, height), trained = self._size, recipe.dataset.width * recipe.dataset.height
        larger = width * height / trained if trained else 1.0
        passes = 2 * recipe.preview.steps * max(1, len(recipe.preview.prompts))
        return passes * larger / (3 * recipe.samples_per_step)

    def _free_name(self, step: int) -> str:
        """``name-500``, or ``name-500-2`` … where a picture of that step is there already."""
        first = f"{self._work.job.recipe.embedding.name}-{step}"
        names = (first if n == 1 else f"{first}-{n}" for n in itertools.count(1))
        return next(name for name in names if not (self._work.folder.images / f"{name}.png").exists())

    def _pictures(self, state: TrainingState, texts: list[str]) -> Iterator[Image.Image]:
        job = self._work.job
        if state.plan != WHOLE:  # memory did not do for a step as it was: it is kept for the steps
            self._limits.together = 1
        size, seed, settings = self._size, self._seed(state), job.recipe.preview
        return draw_previews(
            job.model,
            job.encoder,
            job.prompts,
            state.vectors,
            texts,
            settings,
            size,
            seed,
            self._is_interrupted,
            self._limits,
        )

    @property
    def _size(self) -> tuple[int, int]:
        settings, dataset = self._work.job.recipe.preview, self._work.job.recipe.dataset
        return settings.width or dataset.width, settings.height or dataset.height

    def _seed(self, state: TrainingState) -> int:
        seed = self._work.job.recipe.preview.seed
        return seed if seed >= 0 else state.step

    def _decoded_in_tiles(self) -> None:
        if not self._told_of_tiles:
            self._told_of_tiles = True
            message = "out of memory while decoding a preview: previews are decoded in tiles, which may show"
            self._work.warn("preview-tiled", message, "Smaller previews, or a preview.tiny_vae, take less memory.")

    def _keep(self, state: TrainingState, text: str, image: Image.Image) -> None:
        job, settings, name = self._work.job, self._work.job.recipe.preview, self._free_name(state.step)
        size, seed = self._size, self._seed(state)
        path = self._work.folder.images / f"{name}.png"
        prompt = job.prompts.readable(text)
        model_hash = self._work.model_hash.result()
        parameters = write_infotext(prompt, settings, size, seed, job.model.base.name, model_hash=model_hash)
        self._work.room.write(path, lambda: write_png(path, image, {KEYWORD: parameters}), _most_bytes(image))
        self._work.reporter.tell("preview", step=state.step, path=str(path), prompt=prompt, seed=seed)
        if job.recipe.saving.image_carries_embedding:
            if len(job.model.base.widths) == 1:
                self._write_card(state, image, name, parameters)
            elif not self._told_of_cards:
                self._told_of_cards = True
                label = job.model.base.family.label
                message = (
                    f"a picture cannot carry the two tensors of an {label} embedding: previews are saved without it"
                )
                self._work.warn("card-impossible", message, "saving.embedding_every keeps copies of the embedding.")

    def _write_card(self, state: TrainingState, image: Image.Image, name: str, parameters: str) -> None:
        """``name`` is the picture's; the embedding in it is called by its step, as a copy is."""
        path = self._work.folder.image_embeddings / f"{name}.png"
        called = f"{self._work.job.recipe.embedding.name}-{state.step}"
        embedding = self._keeper.embedding(state.vectors, state.step, called, state)
        self._work.room.write(path, lambda: write_card(path, image, embedding, parameters), _most_bytes(image))


def _most_bytes(image: Image.Image) -> int:
    """A PNG of it takes less, whatever is in it."""
    return 4 * image.width * image.height
