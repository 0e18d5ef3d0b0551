"""What a run has reached: all that an exact resume needs, in one small file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from tinv_tui.checkpoint_file import read_checkpoint, write_checkpoint


@dataclass
class TrainingState:
    """Vectors and optimiser moments (fp32, [vectors, width]), and how far the run is."""

    vectors: Tensor
    """The trained parameter."""
    moment1: Tensor
    moment2: Tensor
    step: int = 0
    """Updates made. Moments belong to this step too."""
    steps_before: int = 0
    """Steps of the embedding this one goes on from that the result's count includes."""
    seconds: float = 0.0
    """Time spent on them, previews and saving included."""
    best_vectors: Tensor | None = None
    best_step: int = 0
    best_evaluation: float | None = None
    family: str = ""
    tensors: dict[str, int] = field(default_factory=dict)
    """What the vectors hold side by side, in that order: the tensors of an embedding file, with their widths."""
    environment: dict[str, Any] = field(default_factory=dict)
    """Threads, device and versions: the same bytes are promised for the same environment."""

    @property
    def is_finite(self) -> bool:
        """Whether vectors and moments are; asking waits for the device."""
        return all(bool(torch.isfinite(tensor).all()) for tensor in (self.vectors, self.moment1, self.moment2))

    def save(self, path: Path) -> None:
        """Write atomically, keeping the file before. Raises OSError, or ValueError when a value is not finite: the last good
        file then stays."""
        if not self.is_finite:
            raise ValueError("the vectors or their moments are not finite")
        tensors = {"vectors": self.vectors, "moment1": self.moment1, "moment2": self.moment2}
        if self.best_vectors is not None:
            tensors["best_vectors"] = self.best_vectors
        facts = {
            "step": self.step,
            "steps_before": self.steps_before,
            "seconds": self.seconds,
            "best_step": self.best_step,
            "best_evaluation": self.best_evaluation,
            "family": self.family,
            "tensors": self.tensors,
            "environment": self.environment,
        }
        held = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
        write_checkpoint(path, safetensors.torch.save(held, {"tinv": json.dumps(facts)}))

    @staticmethod
    def load(path: Path, device: torch.device) -> TrainingState:
        """Read what :meth:`save` wrote. Raises OSError, ValueError or safetensors.SafetensorError."""
        content, facts = read_checkpoint(path)
        tensors = {key: tensor.to(device, copy=True) for key, tensor in safetensors.torch.load(content).items()}
        return TrainingState(
            vectors=tensors["vectors"],
            moment1=tensors["moment1"],
            moment2=tensors["moment2"],
            step=int(facts["step"]),
            steps_before=int(facts["steps_before"]),
            seconds=float(facts.get("seconds", 0.0)),
            best_vectors=tensors.get("best_vectors"),
            best_step=int(facts["best_step"]),
            best_evaluation=facts["best_evaluation"],
            family=facts.get("family", ""),
            tensors=facts.get("tensors", {}),
            environment=facts["environment"],
        )

    @staticmethod
    def fresh(vectors: Tensor) -> TrainingState:
        rows = vectors.detach().float().clone()
        return TrainingState(vectors=rows, moment1=torch.zeros_like(rows), moment2=torch.zeros_like(rows))
