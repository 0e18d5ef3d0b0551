"""Turns a run folder into a job: model loaded, pictures encoded, state fresh or from the checkpoint."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from tinv_tui.checkpoint_file import read_checkpoint
from tinv_tui.embeddings.packing import pack
from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.frozen import Operators
from tinv_tui.models.loading import LoadedModel, choose_dtype, load_model
from tinv_tui.models.memory_plan import WHOLE, MemoryPlan
from tinv_tui.models.prediction import settle_prediction
from tinv_tui.models.vae_file import identify_vae
from tinv_tui.recipe import Recipe
from tinv_tui.runs.beginning import starting_embedding
from tinv_tui.runs.folder import DATASET_FILE, STATE_FILE, RunFolder
from tinv_tui.runs.frozen_dataset import FrozenDataset
from tinv_tui.schedule import Plan, parse_rates
from tinv_tui.training.encoding import encode_pictures
from tinv_tui.training.latent_cache import LatentCache
from tinv_tui.training.latents import LatentStore
from tinv_tui.training.loop import Job
from tinv_tui.training.prompts import PromptBook
from tinv_tui.training.state import TrainingState
from tinv_tui.training.vectors import SplicingEncoder, initial_vectors
from tinv_tui.worker.computing import arrange, has_kernels, leave_nothing_to_chance, round_as_the_unet, take_threads

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

_TOLD_EVERY_SECONDS = 0.5


@dataclass(frozen=True)
class CheckpointFiles:
    """What lies in a run's checkpoint folder."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / STATE_FILE

    @property
    def latents(self) -> Path:
        return self.folder / "latents.safetensors"

    @property
    def dataset(self) -> Path:
        """Captions, sizes and template lines as they were when the run began."""
        return self.folder / DATASET_FILE


def choose_device() -> torch.device:
    """The GPU that torch sees, or the processor. Raises InputError where this torch has no kernels for the GPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    capability, known = torch.cuda.get_device_capability(), torch.cuda.get_arch_list()
    if not has_kernels(capability, known):
        name = f"{torch.cuda.get_device_name()} (compute capability {capability[0]}.{capability[1]})"
        raise InputError(
            "gpu-unsupported",
            f"PyTorch {torch.__version__} has no kernels for {name}, only for {', '.join(known)}",
            "Choose another GPU by its number in CUDA_VISIBLE_DEVICES, or install a PyTorch that has them (2.6 knows cards "
            "from 2014 on). CUDA_VISIBLE_DEVICES= trains on the processor.",
        )
    return torch.device("cuda")


def load(
    recipe: Recipe,
    base: BaseModel,
    device: torch.device,
    progress: Callable[[int, int], None] = lambda done, total: None,
    operators: Operators | None = None,
    plan: MemoryPlan = WHOLE,
    vae_there: Callable[[AutoencoderKL], None] = lambda vae: None,
) -> LoadedModel:
    """The base model of a recipe on the device, with the ``operators`` that suit it or those given. Raises InputError.

    Of the memory ``plan`` it follows what is to be seen to before the UNet is read; the loop follows all of it.
    ``vae_there`` is called with the VAE before the UNet is read. ``progress`` gets MiB read and in all, at most twice a
    second and at the end; what it raises ends the loading.
    """
    base = settle_prediction(base, recipe.model.prediction_type)
    take_threads(base, device)
    if recipe.training.deterministic and device.type == "cuda":
        leave_nothing_to_chance()
    dtype = choose_dtype(recipe.training.precision, device, base)
    round_as_the_unet(device, dtype)
    vae = identify_vae(Path(recipe.model.vae), base) if recipe.model.vae else None
    told = 0.0

    def took(done: int, total: int) -> None:
        nonlocal told
        if done == total or time.monotonic() - told >= _TOLD_EVERY_SECONDS:
            told = time.monotonic()
            progress(done // 2**20, total // 2**20)

    tiny = recipe.preview.tiny_vae
    model = load_model(
        base,
        device,
        dtype,
        vae=vae,
        tiny_vae=identify_vae(Path(tiny), base, "preview.tiny_vae") if tiny else None,
        prediction_type=recipe.model.prediction_type,
        text_in_16_bits=plan.text_in_16_bits,
        vae_there=vae_there,
        progress=took,
    )
    return arrange(model, recipe, operators)


def encode(
    recipe: Recipe,
    dataset: FrozenDataset,
    vae: AutoencoderKL,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cache: LatentCache | None = None,
    tiled: Callable[[Path], None] = lambda path: None,
) -> LatentStore:
    """The pictures of a recipe as it trains on them. ``progress`` gets pictures done and in all, and ends it by raising.

    ``tiled`` is told of pictures that there was only memory to encode in tiles. Raises PictureUnreadable.
    """
    return encode_pictures(
        dataset.files,
        dataset.groups,
        vae,
        crop=recipe.dataset.sizes != "resize",
        flip=recipe.dataset.flip,
        alpha_as_weight=recipe.dataset.alpha_as_weight,
        sampling=recipe.dataset.latent_sampling,
        seed=recipe.training.seed,
        progress=lambda done: progress(done, len(dataset.files)),
        cache=cache,
        tiled=tiled,
    )


def schedules(recipe: Recipe) -> tuple[Plan, Plan]:
    """The resolved learning rates and clipping thresholds. Raises InputError."""
    t = recipe.training
    return (
        parse_rates(t.learning_rate, t.steps, t.rate_steps),
        parse_rates(t.clip_schedule, t.steps, t.rate_steps, key="training.clip_schedule"),
    )


def prepare_job(
    recipe: Recipe, rates: Plan, clips: Plan, dataset: FrozenDataset, model: LoadedModel, latents: LatentStore
) -> Job:
    """Everything the loop needs."""
    prompts = PromptBook(
        lines=dataset.template,
        captions=dataset.captions,
        name=recipe.embedding.name,
        vectors=recipe.embedding.vectors,
        tokenizer=model.tokenizer,
        seed=recipe.training.seed,
        shuffle_tags=recipe.dataset.shuffle_tags,
        drop_out_tags=recipe.dataset.drop_out_tags,
    )
    encoder = SplicingEncoder(model, recipe.model.clip_skip)
    return Job(recipe, model, encoder, latents, prompts, rates, clips, recipe.training.seed)


def kept_plan(files: CheckpointFiles) -> MemoryPlan | None:
    """The checkpoint's memory plan, which a resumed run keeps to. Raises OSError, ValueError, KeyError."""
    return MemoryPlan.of(read_checkpoint(files.state)[1]["plan"]) if files.state.exists() else None


def prepare_state(
    recipe: Recipe, model: LoadedModel, files: CheckpointFiles, folder: RunFolder, plan: MemoryPlan = WHOLE
) -> TrainingState:
    """The checkpoint's state, or a fresh one from the starting vectors, to go by ``plan``.

    Raises InputError, OSError, ValueError.
    """
    if files.state.exists():
        state = TrainingState.load(files.state, model.device)
        torch.set_num_threads(int(state.environment.get("threads", torch.get_num_threads())))
        return state
    start = starting_embedding(recipe, folder.path)
    if start is not None:
        rows = torch.from_numpy(pack(start.vectors, model.base)).to(model.device)
    else:
        rows = initial_vectors(recipe.embedding.init_text, recipe.embedding.vectors, model)
    state = TrainingState.fresh(rows)
    if start is not None and recipe.embedding.step_count == "go on":
        state.steps_before = start.steps_in_all
    state.family, state.tensors = model.base.family.name, model.base.tensors
    state.environment = _environment(model)
    state.plan = plan
    return state


def _environment(model: LoadedModel) -> dict[str, Any]:
    import diffusers
    import transformers

    device = torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else platform.processor() or "cpu"
    return {
        "threads": torch.get_num_threads(),
        "device": device,
        "dtype": str(model.dtype),
        "computing": model.computing,
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
    }
