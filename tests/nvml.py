"""An NVML of Python alone, and GPUs for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pynvml
import pytest

GIB = 1024**3


class FakeNvml(ModuleType):
    """pynvml over a pretended machine: same names, same units, same exceptions, and the same need for nvmlInit.

    Each GPU is a dictionary from a function's name to its answer; an answer that is an exception is raised. One that is
    cut has its ``parts`` under their numbers, dictionaries as well.
    """

    NVML_TEMPERATURE_GPU = pynvml.NVML_TEMPERATURE_GPU

    def __init__(self, *gpus: dict[str, Any]) -> None:
        super().__init__("pynvml")
        self.gpus = list(gpus)
        self.init_error: int | None = None
        self.inits = 0
        self.open = False

    def nvmlInit(self) -> None:
        self.inits += 1
        if self.init_error is not None:
            raise pynvml.NVMLError(self.init_error)
        self.open = True

    def nvmlShutdown(self) -> None:
        self._need_init()
        self.open = False

    def nvmlDeviceGetCount(self) -> int:
        self._need_init()
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        self._need_init()
        error = self.gpus[index].get("nvmlDeviceGetHandleByIndex")
        if error is not None:
            raise error
        return index

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: int, part: int) -> tuple[int, int]:
        self._need_init()
        if part not in self.gpus[handle]["parts"]:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return handle, part

    def __getattr__(self, name: str) -> Any:
        if name.startswith("nvmlDeviceGet"):
            return lambda handle, *_: self._answer(name, handle)
        return getattr(pynvml, name)  # the exception classes

    def _answer(self, name: str, handle: int | tuple[int, int] | None) -> Any:
        self._need_init()
        if handle is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        answer = (self.gpus[handle] if isinstance(handle, int) else self.gpus[handle[0]]["parts"][handle[1]])[name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _need_init(self) -> None:
        if not self.open:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_UNINITIALIZED)


def nvml_process(pid: int, used_bytes: int | None) -> SimpleNamespace:
    return SimpleNamespace(pid=pid, usedGpuMemory=used_bytes, gpuInstanceId=None, computeInstanceId=None)


def rtx_3080(**changes: Any) -> dict[str, Any]:
    return {
        "nvmlDeviceGetName": "NVIDIA GeForce RTX 3080",
        "nvmlDeviceGetUUID": "GPU-5d1f0c6e",
        "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=97, memory=61),
        "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=10 * GIB, free=4 * GIB, used=6 * GIB),
        "nvmlDeviceGetTemperature": 71,
        "nvmlDeviceGetPowerUsage": 302_500,
        "nvmlDeviceGetEnforcedPowerLimit": 320_000,
        "nvmlDeviceGetComputeRunningProcesses": [],
        "nvmlDeviceGetGraphicsRunningProcesses": [],
    } | changes


def a100(*parts: int, **changes: Any) -> dict[str, Any]:
    """A GPU that is to be cut, with parts of 5 GiB made under these numbers."""
    unsupported = pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
    return (
        rtx_3080(
            nvmlDeviceGetName="NVIDIA A100-SXM4-40GB",
            nvmlDeviceGetUUID="GPU-a100",
            nvmlDeviceGetMigMode=[1, 1],
            nvmlDeviceGetUtilizationRates=unsupported,
            nvmlDeviceGetMaxMigDeviceCount=7,
            parts={
                number: {
                    "nvmlDeviceGetName": "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
                    "nvmlDeviceGetUUID": f"MIG-{number}",
                    "nvmlDeviceGetMemoryInfo": SimpleNamespace(
                        total=5 * GIB, free=(number + 1) * GIB, used=(4 - number) * GIB
                    ),
                    "nvmlDeviceGetComputeRunningProcesses": [nvml_process(100 + number, GIB)],
                    "nvmlDeviceGetGraphicsRunningProcesses": unsupported,
                }
                for number in parts
            },
        )
        | changes
    )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeNvml]:
    """Pretend that this machine has the given GPUs."""

    def pretend(*gpus: dict[str, Any]) -> FakeNvml:
        nvml = FakeNvml(*gpus)
        monkeypatch.setitem(sys.modules, "pynvml", nvml)
        return nvml

    return pretend
