"""The number formats of weights, called as safetensors calls them, and how they become fp32 without torch."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FLOAT_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
"""The formats an embedding or a token table can be in, with the size of one number."""

NUMBER_BYTES = FLOAT_BYTES | {"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
"""All that can stand in a model's file beside them."""

_BF16_INSTRUCTIONS = frozenset(("amx_bf16", "avx512_bf16"))


@cache
def computes_in_bf16(cpu_info: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor has instructions for bf16; without them it is many times slower than fp32."""
    try:
        lines = cpu_info.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return not _BF16_INSTRUCTIONS.isdisjoint(flags)


def as_fp32(data: bytes, kind: str) -> NDArray[np.float32]:
    """Numbers of one of the formats of :data:`NUMBER_BYTES`, flat. What fp32 cannot hold becomes infinite."""
    import numpy as np

    if kind == "BF16":  # the upper half of an fp32
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    letter = "f" if kind in FLOAT_BYTES else "i" if kind.startswith("I") else "u"
    with np.errstate(over="ignore"):
        return np.frombuffer(data, f"<{letter}{NUMBER_BYTES[kind]}").astype(np.float32)
