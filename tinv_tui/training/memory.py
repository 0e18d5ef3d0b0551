"""Has a model computed by a memory plan, and tells when there is not enough memory for one."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, Protocol, TypeVar
from weakref import WeakSet

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from tinv_tui.allocator import give_back_freed
from tinv_tui.models.frozen.text import hold_in_16_bits, hold_in_32_bits
from tinv_tui.models.loading import LoadedModel
from tinv_tui.models.memory_plan import MemoryPlan

Found = TypeVar("Found")
_SAID_WITHOUT_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "bad_alloc",
    "could not create a primitive",  # what oneDNN says when it gets no scratch memory
    "could not create a memory",
    # What CUDA's libraries say where the driver has nothing left for what they keep beside torch's allocator.
    "cublas_status_alloc_failed",
    "cublas_status_not_initialized",
    "cudnn_status_alloc_failed",
    "cudnn_status_not_initialized",
    "unable to find an engine to execute this computation",
)


class OutOfMemory(Exception):
    """The smallest plan takes more memory than there is. The state is that of the last step."""


def apply_plan(plan: MemoryPlan, model: LoadedModel) -> None:
    """Have the parts of a model hold and keep what a plan says, as steps want them: the VAE goes to the host.

    What an earlier plan did without comes back.
    """
    if plan.checkpointing:
        model.unet.enable_gradient_checkpointing(_checkpoint)
    else:
        model.unet.disable_gradient_checkpointing()
    for encoder in model.text_encoders:
        hold_in_16_bits(encoder) if plan.text_in_16_bits else hold_in_32_bits(encoder)
    model.vae.to("cpu")  # it comes to the device for as long as it decodes
    if model.device.type == "cuda":
        torch.cuda.empty_cache()


def _checkpoint(module: nn.Module, *inputs: Any) -> Any:
    """Nothing here draws random numbers; asking a GPU for the state of its generator would keep a step from being recorded."""
    return checkpoint(module.__call__, *inputs, use_reentrant=False, preserve_rng_state=False)


class Spare(Protocol):
    """Holds memory for speed alone."""

    def forget(self) -> None:
        """Let go of it."""


_SPARE = WeakSet[Spare]()


def gives_way(spare: Spare) -> None:
    """Have something let go of its memory wherever there is too little."""
    _SPARE.add(spare)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is the allocator's: of the device, of torch on the host, or of a library under it."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in said for words in _SAID_WITHOUT_MEMORY)


def release_memory() -> None:
    """Give back what is spare, and what is free to the device and the system: libraries beside torch's allocator need some."""
    for spare in list(_SPARE):
        spare.forget()
    gc.collect()
    if torch.cuda.is_initialized():
        # The scratch memory of matrix products, 32 MiB for each thread and stream: what was recorded with it is forgotten.
        torch._C._cuda_clearCublasWorkspaces()
        torch.cuda.empty_cache()
    give_back_freed()


def with_what_is_spare(compute: Callable[[], Found]) -> Found:
    """What ``compute`` finds; where there is too little memory for it, it is tried once more with all that is spare."""
    try:
        return compute()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    release_memory()  # only here: the error held on to all that was computed so far
    return compute()
