"""How long the vectors are beside the vocabulary's own: longer ones drown the rest of a prompt."""

from __future__ import annotations

import torch
from torch import Tensor

from tinv_tui.models.loading import LoadedModel


class NormRange:
    """The vocabulary's largest norm, encoder by encoder."""

    def __init__(self, model: LoadedModel) -> None:
        self._widths = model.base.widths
        self._largest = [_largest_norm(encoder.get_input_embeddings().weight) for encoder in model.text_encoders]

    def norms(self, rows: Tensor) -> list[float]:
        """Of vectors [n, width], encoder by encoder; waits for the device."""
        return [norm for part in self._parts(rows) for norm in part.norm(dim=1).tolist()]

    def excess(self, rows: Tensor) -> float:
        """How many times the vocabulary's largest norm the longest vector is; waits for the device."""
        ratios = [
            part.norm(dim=1).max() / largest for part, largest in zip(self._parts(rows), self._largest, strict=True)
        ]
        return float(torch.stack(ratios).max())

    @torch.no_grad()
    def cap(self, rows: Tensor) -> None:
        """Shorten, in place, what is longer than the vocabulary's longest to that. Does not wait for the device."""
        for part, largest in zip(self._parts(rows), self._largest, strict=True):
            part.mul_((largest / part.norm(dim=1, keepdim=True)).clamp(max=1))

    def _parts(self, rows: Tensor) -> tuple[Tensor, ...]:
        parts: tuple[Tensor, ...] = rows.split(self._widths, dim=1)
        return parts


@torch.no_grad()
def _largest_norm(table: Tensor) -> float:
    """In fp32 whatever the table is in, block by block: a copy of the whole would be hundreds of megabytes."""
    return max(float(block.float().norm(dim=1).max()) for block in table.split(4096))
