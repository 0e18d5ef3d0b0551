"""Takes numbers from the host to the device without waiting for what the device is doing."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_device(numbers: np.ndarray | Tensor, device: torch.device) -> Tensor:
    """The same numbers on the device; on a GPU they may be still on their way, which only the host would notice."""
    tensor = torch.from_numpy(numbers) if isinstance(numbers, np.ndarray) else numbers
    if device.type == "cuda":  # from memory that may be paged out, the copy would wait for everything before it
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
