"""How a step is computed where memory is short, and what it then takes. Knows no torch: it is told before a start too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from tinv_tui.models.families import Family
from tinv_tui.models.frozen import Operators

LIBRARY_BYTES = 500 * 2**20
"""Of a worker that has done nothing yet: on the host its libraries, on a GPU the driver's context."""
_LOST = 1.04
"""Of what is computed, to the allocator's gaps and the scratch memory of libraries."""
_FP32 = 4


@dataclass(frozen=True)
class MemoryPlan:
    """How a step is computed; the samples and their draws are the same in every plan."""

    parts: int = 1
    """A batch is computed in so many parts, one after another."""
    checkpointing: bool = False
    """The UNet keeps only what goes into its blocks, and computes the rest once more on the way back."""
    text_in_16_bits: bool = False
    """The text encoders' weights are held in 16 bits, and computed with in fp32 as ever."""

    @staticmethod
    def of(facts: Mapping[str, Any]) -> MemoryPlan:
        """A plan as it was written down, by whichever version: what this one does not know makes no difference to it."""
        known = {field.name for field in fields(MemoryPlan)}
        return MemoryPlan(**{name: value for name, value in facts.items() if name in known})

    def smaller(self, batch: int, *, on_gpu: bool = False) -> MemoryPlan | None:
        """The next one that takes less memory, in the order of what costs least time; None when there is none.

        What makes weights smaller is for a GPU alone, which converts them in no time.
        """
        if on_gpu and not self.text_in_16_bits:
            return replace(self, text_in_16_bits=True)
        if self.parts < batch:
            return replace(self, parts=min(2 * self.parts, batch))
        return None if self.checkpointing else replace(self, checkpointing=True)

    def smallest(self, batch: int, *, on_gpu: bool = False) -> MemoryPlan:
        """The one behind all others."""
        plan = self
        while (next_one := plan.smaller(batch, on_gpu=on_gpu)) is not None:
            plan = next_one
        return plan

    def at_once(self, batch: int) -> int:
        """How many samples of a batch are computed together, at most."""
        return -(-batch // self.parts)

    def in_words(self, batch: int) -> str:
        """Empty for the plan that does without nothing."""
        words = [f"batches of {batch} in {self.parts} parts"] if self.parts > 1 else []
        words += ["gradient checkpointing"] if self.checkpointing else []
        words += ["text encoders in 16 bits"] if self.text_in_16_bits else []
        return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


WHOLE = MemoryPlan()
"""Does without nothing."""


@dataclass(frozen=True)
class Step:
    """One step of one model: all that its memory depends on beside the plan."""

    family: Family
    parameters: float
    """Of all parts of the model. One smaller than its family's published models keeps less."""
    number_bytes: int
    """Of a number in the UNet."""
    pixels: int
    """Of the largest picture."""
    batch: int
    on_gpu: bool
    operators: Operators = "frozen"

    def bytes_by(self, plan: MemoryPlan) -> int:
        """What a process that makes the step by a plan takes at most, about: libraries, weights and what is computed.

        The UNet is in its number format, as text encoders are where they are packed, and all else is fp32, unless the plan
        says otherwise. On a GPU are neither token tables nor, while steps are made, the VAE.
        """
        family, scale = self.family, self.parameters / self.family.parameters
        text, text_number_bytes = family.text_parameters - family.table_parameters, float(_FP32)
        if self.operators == "packed":
            text_number_bytes = self.number_bytes
        elif plan.text_in_16_bits:
            text_number_bytes = _FP32 / 2
        weights = family.unet_parameters * self.number_bytes + text * text_number_bytes
        weights *= 2 if self.operators == "packed" else 1  # for the way ahead and for the way back
        weights += 0 if self.on_gpu else family.table_parameters * _FP32
        weights += 0 if self.on_gpu else family.vae_parameters * _FP32
        kept = family.step_bytes.stock if self.operators == "stock" else family.step_bytes.frozen
        if plan.checkpointing:
            kept = family.step_bytes.checkpointed
        a_picture = kept * self.number_bytes / 2 * self.pixels / 512**2 + family.step_bytes.text
        computed = a_picture * plan.at_once(self.batch) * scale**0.5
        return int(LIBRARY_BYTES + weights * scale + computed * _LOST)

    def fastest_plan(self, free_bytes: int | None) -> MemoryPlan:
        """The fastest plan that fits into what is free, or the smallest where none does.

        Everything on the device where nobody tells what is free, and on a host, which has memory that it does not call
        free and is seldom short: there only a real lack of it makes the plan smaller.
        """
        plan = WHOLE
        if free_bytes is None or not self.on_gpu:
            return plan
        while self.bytes_by(plan) > free_bytes:
            smaller = plan.smaller(self.batch, on_gpu=True)
            if smaller is None:
                return plan
            plan = smaller
        # The last thing it came to do without may have made room for what it did without before.
        fewer_parts = [replace(plan, parts=parts) for parts in range(1, plan.parts)]
        plan = next((larger for larger in fewer_parts if self.bytes_by(larger) <= free_bytes), plan)
        larger = replace(plan, text_in_16_bits=False)
        return larger if self.bytes_by(larger) <= free_bytes else plan
