"""The checksum by which A1111 knows whether an optimiser's state (``.optim``) belongs to an embedding (a1111 §2.7)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def checksum(vectors: NDArray[np.floating[Any]]) -> str:
    """Four hexadecimal digits of the vectors, [vectors, width]. Weak: what is below 0.01 counts as zero.

    Raises ValueError for vectors that are not finite.
    """
    hundredfold = vectors.astype(np.float32) * np.float32(100)
    if not np.isfinite(hundredfold).all():
        raise ValueError("vectors that are not finite have no checksum")
    sum_ = 0
    for value in np.trunc(hundredfold).ravel().tolist():
        sum_ = (sum_ * 281 ^ int(value) * 997) & 0xFFFFFFFF
    return f"{sum_ & 0xFFFF:04x}"
