"""The pictures of a run become latents while its UNet is being read: a thread computes, another waits for the disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

from tinv_tui import paths
from tinv_tui.errors import InputError
from tinv_tui.models.loading import LoadedModel
from tinv_tui.models.memory_plan import WHOLE, MemoryPlan
from tinv_tui.recipe import Recipe
from tinv_tui.runs.frozen_dataset import FrozenDataset
from tinv_tui.settings import latent_cache_bytes
from tinv_tui.training.encoding import PictureUnreadable
from tinv_tui.training.latent_cache import LatentCache
from tinv_tui.training.latents import LatentStore
from tinv_tui.training.memory import is_out_of_memory, release_memory
from tinv_tui.worker.disk_room import DiskRoom
from tinv_tui.worker.early import EarlyDesk
from tinv_tui.worker.reporter import Reporter
from tinv_tui.worker.setup import CheckpointFiles, encode

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

_LOOK_SECONDS = 0.05


class Load(Protocol):
    """Loads the model, and calls ``vae_there`` with its VAE before it reads the UNet."""

    def __call__(self, *, vae_there: Callable[[AutoencoderKL], None]) -> LoadedModel: ...


def encodes_first(plan: MemoryPlan, device: torch.device) -> bool:
    """Whether pictures are encoded before the UNet comes: on a GPU, where both take more than a step, or by the plan."""
    return plan != WHOLE or device.type == "cuda"


def load_and_encode(
    load: Load, encode_with: Callable[[AutoencoderKL], LatentStore], plan: MemoryPlan, device: torch.device
) -> tuple[LoadedModel, LatentStore]:
    """A model and its latents, for what is no run but should take as much memory as one."""
    latents = list[LatentStore]()

    def vae_there(vae: AutoencoderKL) -> None:
        if encodes_first(plan, device):
            latents.append(encode_with(vae))
            vae.to("cpu")
            release_memory()

    model = load(vae_there=vae_there)
    return model, latents[0] if latents else encode_with(model.vae)


class _Abandoned(Exception):
    """Nobody waits for the latents any more."""


class PictureEncoding:
    """Has the pictures of a run encoded, once: beside the loading of its model, or between its VAE and its UNet.

    The thread only computes; all that is told or asked for is so by the thread that made this.
    """

    def __init__(
        self, recipe: Recipe, dataset: FrozenDataset, files: CheckpointFiles, reporter: Reporter, early: EarlyDesk
    ) -> None:
        self._recipe = recipe
        self._dataset = dataset
        self._files = files
        self._reporter = reporter
        self._early = early
        self._thread: threading.Thread | None = None
        self._cache: LatentCache | None = None
        self._latents: LatentStore | None = None
        self._error: BaseException | None = None
        self._done = 0
        self._told = -1
        self._tiled: Path | None = None
        """The first picture that there was only memory for in tiles."""
        self._has_told_tiled = False
        self._is_abandoned = False

    def beside(self, load: Load, plan: MemoryPlan) -> LoadedModel:
        """Load the model, and encode meanwhile.

        Where :func:`encodes_first` the UNet comes when the VAE has gone; its file is read ahead then.

        Raises what ``load`` does, EndedEarly, and InputError for a picture that cannot be read.
        """

        def vae_there(vae: AutoencoderKL) -> None:
            if self._files.latents.exists():
                vae.to("cpu")
                return
            if self._files.state.exists():
                return  # to be computed as the checkpoint says, which is not read yet
            self._begin(vae)
            if encodes_first(plan, vae.device):
                self._wait()
                vae.to("cpu")
                release_memory()
                self._reporter.update(phase="loading")

        try:
            return load(vae_there=vae_there)
        except (RuntimeError, MemoryError) as error:
            if self._thread is None or not is_out_of_memory(error):
                raise
        self._wait()  # it had the room that the UNet wants: one after the other, then
        release_memory()
        self._reporter.update(phase="loading")
        return load(vae_there=lambda vae: vae.to("cpu"))

    def look(self) -> None:
        """Called while the model is loaded. Raises InputError as soon as a picture could not be read."""
        if isinstance(self._error, PictureUnreadable):
            self._raise(self._error)

    def latents(self, model: LoadedModel, room: DiskRoom) -> LatentStore:
        """All pictures, encoded and kept in the checkpoint. Raises EndedEarly, GaveUp, and InputError as above."""
        if self._files.latents.exists():
            return LatentStore.load(self._files.latents, model.device)
        if self._thread is None:
            self._begin(model.vae)
        latents = self._wait()
        room.write(self._files.latents, lambda: latents.save(self._files.latents), latents.size_bytes)
        return latents

    def abandon(self) -> None:
        """End the thread; one picture may still be encoded to its end."""
        self._is_abandoned = True
        if self._thread is not None:
            self._thread.join()

    def _begin(self, vae: AutoencoderKL) -> None:
        threads = torch.get_num_threads()
        self._thread = threading.Thread(target=self._encode, args=(vae, threads), name="encoding", daemon=True)
        self._thread.start()

    def _encode(self, vae: AutoencoderKL, threads: int) -> None:
        def progress(done: int, _: int) -> None:
            if self._is_abandoned:
                raise _Abandoned
            self._done = done

        def tiled(picture: Path) -> None:
            self._tiled = self._tiled or picture

        try:
            torch.set_num_threads(threads)  # each thread has a number of its own, and latents differ with it
            limit = latent_cache_bytes()
            self._cache = LatentCache(paths.latent_cache_folder(), limit, vae) if limit else None
            self._latents = encode(self._recipe, self._dataset, vae, progress, self._cache, tiled)
        except BaseException as error:  # noqa: BLE001  raised where it is waited for
            self._error = error

    def _wait(self) -> LatentStore:
        """Until all pictures are encoded, telling how far it is."""
        assert self._thread is not None
        self._reporter.update(phase="encoding")
        while self._thread.is_alive():
            self._tell(self._done)
            self._early.look()
            self._thread.join(_LOOK_SECONDS)
        if self._error is not None:
            self._raise(self._error)
        assert self._latents is not None
        self._tell(self._done)
        self._early.look()
        return self._latents

    def _raise(self, error: BaseException) -> None:
        if isinstance(error, PictureUnreadable):
            hint = "Take it out of the dataset, or repair it."
            raise InputError("picture-unreadable", f"{error}", hint) from None
        raise error

    def _tell(self, done: int) -> None:
        if self._tiled is not None and not self._has_told_tiled:
            self._has_told_tiled = True
            message = f"out of memory while encoding {self._tiled.name}: such pictures are encoded in tiles"
            hint = "Their latents differ a little from those of whole pictures; smaller ones, or more memory, avoid it."
            self._reporter.tell("warning", code="encoding-tiled", message=message, hint=hint)
        if done != self._told:
            self._told = done
            known = {"cached": self._cache.taken} if self._cache is not None else {}
            self._reporter.tell("phase", name="encoding", done=done, total=len(self._dataset.files), **known)
