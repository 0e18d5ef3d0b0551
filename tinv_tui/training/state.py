"""What a run has reached: all that an exact resume needs, in one small file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from tinv_tui.checkpoint_file import read_checkpoint, write_checkpoint
from tinv_tui.models.memory_plan import MemoryPlan

_TRAINED = ("vectors", "moment1", "moment2")


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
    before: TrainingState | None = None
    """The state one step earlier: known to be good, which this one is when its next step has been made."""
    rates: str = ""
    """The rate text that the two below belong to; with another one they start anew."""
    rate_factor: float = 1.0
    """What the rates are multiplied by: halved each time that something was not finite."""
    times_halved: int = 0
    loss_scale: float = 0.0
    """What an fp16 loss is multiplied by; 0 in other formats."""
    scaled_since: int = 0
    """The step after which it last changed."""
    plan: MemoryPlan = MemoryPlan()
    """How steps are computed: the largest plan that has fitted so far."""
    family: str = ""
    tensors: dict[str, int] = field(default_factory=dict)
    """What the vectors hold side by side, in that order: the tensors of an embedding file, with their widths."""
    environment: dict[str, Any] = field(default_factory=dict)
    """Threads, device and versions: the same bytes are promised for the same environment."""

    @property
    def is_finite(self) -> bool:
        """Whether vectors and moments are; asking waits for the device."""
        return all(bool(torch.isfinite(tensor).all()) for tensor in self._tensors().values())

    def copy(self) -> TrainingState:
        """The state as it is now, whatever becomes of this one; without the one before."""
        clones = {name: getattr(self, name).detach().clone() for name in _TRAINED}
        return replace(self, before=None, **clones)

    def return_to(self, good: TrainingState, *, before: TrainingState | None) -> None:
        """Take over what was learned and when from an earlier state of the same run; its rates are not part of that."""
        for name in (*_TRAINED, "step", "best_vectors", "best_step", "best_evaluation"):
            setattr(self, name, getattr(good, name))
        self.before = before

    def follow(self, rates: str) -> None:
        """Start the halving anew where the rate text is another than before."""
        if self.rates != rates:
            self.rates, self.rate_factor, self.times_halved = rates, 1.0, 0

    def save(self, path: Path) -> None:
        """Write atomically, keeping the file before. Raises OSError, or ValueError when a value is not finite: the last good
        file then stays."""
        if not self.is_finite:
            raise ValueError("the vectors or their moments are not finite")
        tensors = self._tensors()
        if self.before is not None:
            tensors |= {f"before.{name}": tensor for name, tensor in self.before._tensors().items()}
        facts = {
            **self._progress(),
            "before": self.before._progress() if self.before is not None else None,
            "steps_before": self.steps_before,
            "seconds": self.seconds,
            "rates": self.rates,
            "rate_factor": self.rate_factor,
            "times_halved": self.times_halved,
            "loss_scale": self.loss_scale,
            "scaled_since": self.scaled_since,
            "plan": asdict(self.plan),
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
        before = {name.removeprefix("before."): t for name, t in tensors.items() if name.startswith("before.")}
        state = _reached(tensors, facts)
        state.before = _reached(before, facts["before"]) if before else None
        state.steps_before = int(facts["steps_before"])
        state.seconds = float(facts["seconds"])
        state.rates = facts["rates"]
        state.rate_factor = float(facts["rate_factor"])
        state.times_halved = int(facts["times_halved"])
        state.loss_scale = float(facts.get("loss_scale", 0.0))  # states of 0.1 had none
        state.scaled_since = int(facts.get("scaled_since", 0))
        state.plan = MemoryPlan.of(facts["plan"])
        state.family = facts["family"]
        state.tensors = facts["tensors"]
        state.environment = facts["environment"]
        return state

    def _tensors(self) -> dict[str, Tensor]:
        trained = {name: getattr(self, name) for name in _TRAINED}
        return trained | ({} if self.best_vectors is None else {"best_vectors": self.best_vectors})

    def _progress(self) -> dict[str, Any]:
        return {"step": self.step, "best_step": self.best_step, "best_evaluation": self.best_evaluation}

    @staticmethod
    def fresh(vectors: Tensor) -> TrainingState:
        rows = vectors.detach().float().clone()
        return TrainingState(vectors=rows, moment1=torch.zeros_like(rows), moment2=torch.zeros_like(rows))


def _reached(tensors: dict[str, Tensor], progress: dict[str, Any]) -> TrainingState:
    return TrainingState(
        vectors=tensors["vectors"],
        moment1=tensors["moment1"],
        moment2=tensors["moment2"],
        step=int(progress["step"]),
        best_vectors=tensors.get("best_vectors"),
        best_step=int(progress["best_step"]),
        best_evaluation=progress["best_evaluation"],
    )
