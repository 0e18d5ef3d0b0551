"""The NVIDIA driver of this machine, and the newest CUDA it knows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass


@dataclass(frozen=True)
class Driver:
    """``version`` as NVIDIA counts drivers (``570.86.15``), ``cuda`` as (major, minor)."""

    version: str
    cuda: tuple[int, int]


def read_driver() -> Driver | None:
    """None where there is no driver, or none that answers. Never raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # the old package of that name warns on import
            import pynvml
        pynvml.nvmlInit()
        try:
            number = int(pynvml.nvmlSystemGetCudaDriverVersion_v2())
            return Driver(str(pynvml.nvmlSystemGetDriverVersion()), (number // 1000, number % 1000 // 10))
        finally:
            pynvml.nvmlShutdown()
    except Exception:  # noqa: BLE001  whatever a broken driver throws, the program goes on
        return None
