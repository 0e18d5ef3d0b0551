"""What a step does without when there is not enough memory: first room for whole batches, then what it need not keep."""

from __future__ import annotations

import ctypes
import gc
from dataclasses import dataclass, replace
from typing import Any

import torch

_SAID_WITHOUT_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "bad_alloc",
    "could not create a primitive",  # what oneDNN says when it gets no scratch memory
    "could not create a memory",
)


class OutOfMemory(Exception):
    """The smallest plan takes more memory than there is. The state is that of the last step."""


@dataclass(frozen=True)
class MemoryPlan:
    """How a step is computed; the samples and their draws are the same in every plan."""

    parts: int = 1
    """A batch is computed in so many parts, one after another."""
    checkpointing: bool = False
    """The UNet keeps only what goes into its blocks, and computes the rest once more on the way back."""

    def smaller(self, batch: int) -> MemoryPlan | None:
        """The next one that takes less memory; None when there is none."""
        if self.parts < batch:
            return replace(self, parts=min(2 * self.parts, batch))
        return None if self.checkpointing else replace(self, checkpointing=True)

    def at_once(self, batch: int) -> int:
        """How many samples of a batch are computed together, at most."""
        return -(-batch // self.parts)

    def apply(self, unet: Any) -> None:
        """Have a UNet2DConditionModel keep what this plan says."""
        if self.checkpointing:
            unet.enable_gradient_checkpointing()
        else:
            unet.disable_gradient_checkpointing()

    def in_words(self, batch: int) -> str:
        """Empty for the plan that does without nothing."""
        words = [f"batches of {batch} in {self.parts} parts"] if self.parts > 1 else []
        words += ["gradient checkpointing"] if self.checkpointing else []
        return " and ".join(words)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is the allocator's: of the device, of torch on the host, or of a library under it."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in said for words in _SAID_WITHOUT_MEMORY)


def release_memory() -> None:
    """Give back what is free to the device, and to the system: libraries beside torch's allocator need some too."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
    if trim is not None:
        trim(0)
