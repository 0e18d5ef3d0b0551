"""Fills modules that were built without weights, tensor by tensor, straight to their device and number format."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tinv_tui.errors import InputError
from tinv_tui.models.original_names import Source, Sources
from tinv_tui.models.weights import DTYPES, Weights

_IDLE = re.compile(r"(^|\.)(position_ids|logit_scale|text_projection(\.weight)?)$|^loss\.|^model_ema\.")
"""Names that files carry along and nothing here computes with."""
_SHOWN = 3
"""Names in an error."""


@dataclass(frozen=True)
class Part:
    """A module on the "meta" device, and where each of its weights lies."""

    module: nn.Module
    weights: Weights
    sources: Mapping[str, Source]
    """By the weight's name in the module; with the file's own names."""
    dtype: torch.dtype

    @property
    def stored_bytes(self) -> int:
        """How much is read from the files."""
        return sum(
            wanted.numel() * DTYPES[self.weights.tensors[self.sources[name].name].kind].itemsize
            for name, wanted in self.module.state_dict().items()
        )

    def reads_ahead(self) -> AbstractContextManager[None]:
        """While it is entered, the system reads what :func:`fill` will read."""
        return self.weights.read_ahead({source.name for source in self.sources.values()})


def find_part(
    title: str,
    module: nn.Module,
    weights: Weights,
    sources: Sources,
    dtype: torch.dtype,
    *,
    names: Mapping[str, str] | None = None,
    spare: str = "",
) -> Part:
    """Find a module's weights. Raises InputError naming those that are missing, misshapen, or that it has no place for.

    ``title`` is "UNet", "VAE" or "text encoder". ``names`` are those of the part's own tensors: as ``sources`` calls them,
    to the file's; None is all of the file as it is. Names that begin with ``spare`` are never asked for.
    """
    tensors = weights.tensors
    own = names if names is not None else {name: name for name in tensors}
    wanted = module.state_dict()
    found, known, missing = dict[str, Source](), set[str](), list[str]()
    for name, shape in ((name, tuple(weight.shape)) for name, weight in wanted.items()):
        candidates = list(sources(name))
        there = [source for source in candidates if source.name in own]
        known.update(source.name for source in there)
        if not there:
            missing.append(candidates[0].name)
            continue
        chosen = Source(own[there[0].name], there[0].third, there[0].turned)
        _check(title, chosen, weights, shape)
        found[name] = chosen
    if missing:
        raise InputError(
            "model-broken",
            f"{weights.where} lacks {len(missing)} of the {len(wanted)} weights of its {title}: {_some(missing)}",
            "Is the download complete?",
        )
    odd = [n for n in own if n not in known and not _IDLE.search(n) and not (spare and n.startswith(spare))]
    if odd:
        raise InputError(
            "model-unsupported",
            f"{weights.where}: its {title} holds what has no place in one of its family: {_some(odd)}",
            "Use the family's plain model, without parts that were added to it.",
        )
    return Part(module, weights, found, dtype)


def fill(part: Part, device: torch.device, took: Callable[[int], None]) -> None:
    """Read the weights into the module, frozen and in evaluation mode. ``took`` gets the bytes of each as it was read."""
    state, tensors = dict[str, Tensor](), part.weights.tensors
    for name, wanted in part.module.state_dict().items():
        source, stored = part.sources[name], tensors[part.sources[name].name]
        as_it_is = device.type == "cpu" and DTYPES[stored.kind] == part.dtype
        tensor = part.weights.read(source.name, _rows(source, stored.shape), keep=as_it_is)
        took(tensor.nbytes)
        tensor = (tensor.T if source.turned else tensor).reshape(wanted.shape)
        # First to the device: a GPU converts faster, and the host needs no second copy.
        state[name] = tensor.to(device).to(part.dtype).contiguous()
    part.module.requires_grad_(False)
    part.module.load_state_dict(state, assign=True)
    _number_positions(part.module, device)
    part.module.eval()


def _number_positions(module: nn.Module, device: torch.device) -> None:
    """Text encoders count their positions in a buffer that is in no file."""
    for owner in module.modules():
        for name, buffer in list(owner.named_buffers(recurse=False)):
            if buffer.is_meta:
                assert name == "position_ids", name
                setattr(owner, name, torch.arange(buffer.shape[-1], device=device).expand(buffer.shape))


def _check(title: str, source: Source, weights: Weights, wanted: tuple[int, ...]) -> None:
    stored = weights.tensors[source.name]
    if stored.kind not in DTYPES:
        raise InputError(
            "model-unsupported",
            f"{weights.where}: {source.name} holds {stored.kind} numbers",
            f"Weights of {', '.join(DTYPES)} can be read.",
        )
    shape = stored.shape
    if source.third is not None and shape and shape[0] % 3 == 0:
        shape = (shape[0] // 3, *shape[1:])
    if source.turned:
        shape = shape[::-1]
    if shape != wanted and not (shape[:2] == wanted[:2] and math.prod(shape) == math.prod(wanted)):  # a 1x1 convolution
        raise InputError(
            "model-broken",
            f"{weights.where}: {source.name} of its {title} is {_sides(stored.shape)}, where {_sides(wanted)} is needed",
            "The configuration is not that of these weights.",
        )


def _rows(source: Source, shape: tuple[int, ...]) -> slice | None:
    if source.third is None:
        return None
    third = shape[0] // 3
    return slice(source.third * third, (source.third + 1) * third)


def _sides(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "a single number"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
