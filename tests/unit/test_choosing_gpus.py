"""Which of several GPUs a run takes, where others have just started and hold no memory yet."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.nvml import GIB, nvml_process, rtx_3080
from tests.unit.test_memory import machine, on_gpu
from tests.unit.test_sharing import locks, other_run
from tinv_tui.runs import neighbours
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.neighbours import room_beside_others
from tinv_tui.runs.sharing import sharers_of
from tinv_tui.runs.status import Status
from tinv_tui.worker import device
from tinv_tui.worker.device import TakenDevice, show_torch_only
from tinv_tui.worker.reporter import Reporter
from tinv_tui.worker.signals import Signals

__all__ = ["locks", "machine", "on_gpu", "other_run"]

FIRST, SECOND = "GPU-first", "GPU-second"


def gpu(uuid: str, **changes: Any) -> dict[str, Any]:
    return rtx_3080(nvmlDeviceGetUUID=uuid, **changes)


def memory(total_gib: int, used_gib: int) -> SimpleNamespace:
    return SimpleNamespace(total=total_gib * GIB, free=(total_gib - used_gib) * GIB, used=used_gib * GIB)


def test_runs_that_are_started_together_take_one_gpu_each(on_gpu: Any, other_run: Any) -> None:
    on_gpu(gpu(FIRST), gpu(SECOND))
    assert room_beside_others().key == FIRST
    other_run(FIRST)
    assert room_beside_others().key == SECOND
    other_run(SECOND)
    assert room_beside_others().key == FIRST


def test_one_that_holds_its_memory_counts_by_that(on_gpu: Any, other_run: Any) -> None:
    process = other_run(FIRST)
    on_gpu(gpu(FIRST, nvmlDeviceGetComputeRunningProcesses=[nvml_process(process.pid, 2 * GIB)]), gpu(SECOND))
    assert room_beside_others().key == FIRST


def test_one_that_has_had_time_to_load_counts_by_what_it_holds(
    on_gpu: Any, other_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container the driver tells of no process, or of others."""
    on_gpu(gpu(FIRST), gpu(SECOND))
    other_run(FIRST)
    monkeypatch.setattr(neighbours, "LOADING_SECONDS", 0)
    assert room_beside_others().key == FIRST


def test_beside_one_that_loads_there_may_be_more_room_than_elsewhere(on_gpu: Any, other_run: Any) -> None:
    on_gpu(gpu(FIRST, nvmlDeviceGetMemoryInfo=memory(80, 2)), gpu(SECOND, nvmlDeviceGetMemoryInfo=memory(10, 2)))
    other_run(FIRST)
    assert room_beside_others().key == FIRST


@pytest.mark.parametrize(
    ("old_gib", "free_gib", "taken"), [(24, 12, SECOND), (24, 11, FIRST), (8, 12, SECOND), (48, 24, SECOND)]
)
def test_a_card_without_tensor_cores_is_taken_only_where_no_other_has_half_as_much(
    on_gpu: Any, old_gib: int, free_gib: int, taken: str
) -> None:
    old = {"nvmlDeviceGetCudaComputeCapability": (6, 1), "nvmlDeviceGetMemoryInfo": memory(old_gib, 0)}
    new = {"nvmlDeviceGetCudaComputeCapability": (8, 6), "nvmlDeviceGetMemoryInfo": memory(free_gib + 1, 1)}
    on_gpu(gpu(FIRST, **old), gpu(SECOND, **new))
    assert room_beside_others().key == taken


def test_old_cards_alone_are_taken_as_any(on_gpu: Any) -> None:
    old = {"nvmlDeviceGetCudaComputeCapability": (6, 1)}
    on_gpu(gpu(FIRST, **old), gpu(SECOND, **old, nvmlDeviceGetMemoryInfo=memory(24, 2)))
    assert room_beside_others().key == SECOND


def test_what_the_user_chose_stays_chosen(on_gpu: Any, other_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    on_gpu(gpu(FIRST), gpu(SECOND))
    other_run(FIRST)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert room_beside_others().key == FIRST


def test_of_two_that_chose_at_one_moment_the_later_takes_another(
    on_gpu: Any, other_run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on_gpu(gpu(FIRST), gpu(SECOND))
    looks = [room_beside_others()]  # before the other took it
    other_run(FIRST)
    monkeypatch.setattr(device, "room_beside_others", lambda: looks.pop() if looks else room_beside_others())
    monkeypatch.setattr(os, "environ", dict(os.environ))
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    status = Status(name="run", state="starting", phase="loading", pid=os.getpid())
    reporter = Reporter(folder, status)
    taken = TakenDevice(folder, reporter, Signals())
    assert os.environ["CUDA_VISIBLE_DEVICES"] == SECOND
    taken.release()
    reporter.close("stopped", "as told")
    assert len(sharers_of(FIRST)) == 1


def test_torch_counts_gpus_as_nvml_does_whoever_started_the_worker(
    on_gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_gpu(gpu(FIRST))
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_DEVICE_ORDER"}
    monkeypatch.setattr(os, "environ", environment)
    show_torch_only(room_beside_others())
    assert environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    environment["CUDA_DEVICE_ORDER"] = "FASTEST_FIRST"
    show_torch_only(room_beside_others())
    assert environment["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"
