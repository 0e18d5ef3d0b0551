"""GPU sampling against NVML as it is seen from Python."""

from __future__ import annotations

import dataclasses
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pynvml
import pytest

from tests.nvml import GIB, FakeNvml, a100, machine, nvml_process, rtx_3080
from tinv_tui.telemetry.gpu import Gpu, GpuProcess, GpuSampler, own_account

__all__ = ["machine"]


def test_a_gpu_is_read_in_percent_bytes_degrees_and_watts(machine: Callable[..., FakeNvml]) -> None:
    machine(rtx_3080())
    snapshot = GpuSampler().sample()
    assert snapshot.problem is None
    assert snapshot.gpus == (
        Gpu(0, "NVIDIA GeForce RTX 3080", "GPU-5d1f0c6e", 97, 6 * GIB, 10 * GIB, 71, 302.5, 320.0, ()),
    )


def test_without_the_python_library_the_problem_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)  # importing it raises ModuleNotFoundError
    snapshot = GpuSampler().sample()
    assert snapshot.gpus == ()
    assert snapshot.problem == "nvidia-ml-py is not installed"


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "no NVIDIA GPU: driver not installed"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "NVIDIA driver not loaded"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "NVIDIA driver was updated: restart the machine"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "no permission to ask the NVIDIA driver"),
        (pynvml.NVML_ERROR_TIMEOUT, "NVIDIA driver: Timeout"),
    ],
)
def test_without_a_driver_the_problem_is_said(machine: Callable[..., FakeNvml], code: int, problem: str) -> None:
    machine(rtx_3080()).init_error = code
    snapshot = GpuSampler().sample()
    assert snapshot.gpus == ()
    assert snapshot.problem == problem


def test_a_driver_without_a_gpu_is_said(machine: Callable[..., FakeNvml]) -> None:
    machine()
    assert GpuSampler().sample().problem == "no NVIDIA GPU"


@pytest.mark.parametrize(
    ("function", "fields"),
    [
        ("nvmlDeviceGetUtilizationRates", ["utilisation_percent"]),
        ("nvmlDeviceGetMemoryInfo", ["memory_used_bytes", "memory_total_bytes"]),
        ("nvmlDeviceGetTemperature", ["temperature_c"]),
        ("nvmlDeviceGetPowerUsage", ["power_w"]),
        ("nvmlDeviceGetEnforcedPowerLimit", ["power_limit_w"]),
    ],
)
def test_a_failing_sensor_is_none_and_the_others_stand(
    machine: Callable[..., FakeNvml], function: str, fields: list[str]
) -> None:
    healthy = rtx_3080()
    machine(healthy, rtx_3080(**{function: pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)}))
    whole, partial = GpuSampler().sample().gpus
    assert dataclasses.asdict(partial) == dataclasses.asdict(whole) | {"index": 1} | dict.fromkeys(fields)


def test_clocks_and_what_holds_them_back_are_read(machine: Callable[..., FakeNvml]) -> None:
    clocks = {"nvmlDeviceGetClockInfo": 1905}
    machine(
        rtx_3080(**clocks, nvmlDeviceGetCurrentClocksEventReasons=0x01 | 0x04 | 0x20 | 0x40),
        rtx_3080(nvmlDeviceGetCurrentClocksThrottleReasons=0x01),
        rtx_3080(),
    )
    new, old, silent = GpuSampler().sample().gpus
    assert (new.clock_mhz, new.memory_clock_mhz) == (1905, 1905)
    assert new.held_back_by == ("power limit", "heat")
    assert (old.held_back_by, silent.held_back_by, silent.clock_mhz) == ((), None, None)


def test_a_gpu_that_is_cut_is_read_by_its_parts(machine: Callable[..., FakeNvml]) -> None:
    machine(rtx_3080(), a100(0, 2))
    whole, first, second = GpuSampler().sample(our_pids={102}).gpus
    assert [gpu.label for gpu in (whole, first, second)] == ["0", "1:0", "1:2"]
    assert second == Gpu(
        index=1,
        name="NVIDIA A100-SXM4-40GB MIG 1g.5gb",
        uuid="MIG-2",
        utilisation_percent=None,
        memory_used_bytes=2 * GIB,
        memory_total_bytes=5 * GIB,
        temperature_c=71,
        power_w=302.5,
        power_limit_w=320.0,
        processes=(GpuProcess(102, GIB, ours=True),),
        part=2,
    )
    assert first.processes == (GpuProcess(100, GIB, ours=False),)


def test_a_gpu_to_be_cut_without_parts_is_shown_as_such(machine: Callable[..., FakeNvml]) -> None:
    machine(a100(), a100(nvmlDeviceGetMaxMigDeviceCount=pynvml.NVMLError(pynvml.NVML_ERROR_NO_PERMISSION)), rtx_3080())
    assert [(gpu.label, gpu.needs_parts) for gpu in GpuSampler().sample().gpus] == [
        ("0", True),
        ("1", True),
        ("2", False),
    ]


def test_a_process_in_a_container_has_its_own_account_in_place_of_the_drivers(
    machine: Callable[..., FakeNvml],
) -> None:
    machine(rtx_3080(nvmlDeviceGetComputeRunningProcesses=[nvml_process(31007, 4 * GIB), nvml_process(31008, GIB)]))
    (gpu,) = GpuSampler().sample(our_pids={7}).gpus
    assert own_account(gpu, 3 * GIB).processes == (
        GpuProcess(0, 3 * GIB, ours=True),
        GpuProcess(31008, GIB, ours=False),
    )
    assert own_account(gpu, 6 * GIB).processes == (GpuProcess(0, 6 * GIB, ours=True), *gpu.processes)
    (known,) = GpuSampler().sample(our_pids={31007}).gpus
    assert own_account(known, 3 * GIB) == known


def test_a_function_the_installed_driver_lacks_is_none(machine: Callable[..., FakeNvml]) -> None:
    machine(rtx_3080(nvmlDeviceGetPowerUsage=AttributeError("undefined symbol: nvmlDeviceGetPowerUsage")))
    assert GpuSampler().sample().gpus[0].power_w is None


def test_a_gpu_without_name_or_process_list_is_still_shown(machine: Callable[..., FakeNvml]) -> None:
    unsupported = pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
    machine(
        rtx_3080(
            nvmlDeviceGetName=unsupported,
            nvmlDeviceGetUUID=unsupported,
            nvmlDeviceGetComputeRunningProcesses=unsupported,
            nvmlDeviceGetGraphicsRunningProcesses=unsupported,
        )
    )
    gpu = GpuSampler().sample().gpus[0]
    assert (gpu.name, gpu.uuid, gpu.processes) == ("unknown GPU", "", ())
    assert gpu.utilisation_percent == 97


@pytest.mark.parametrize(
    "code",
    [
        pynvml.NVML_ERROR_GPU_IS_LOST,
        pynvml.NVML_ERROR_NO_PERMISSION,
        pynvml.NVML_ERROR_UNKNOWN,
        pynvml.NVML_ERROR_INSUFFICIENT_POWER,
        pynvml.NVML_ERROR_IRQ_ISSUE,
        pynvml.NVML_ERROR_RESET_REQUIRED,
    ],
)
def test_one_lost_gpu_does_not_hide_the_others(machine: Callable[..., FakeNvml], code: int) -> None:
    machine({"nvmlDeviceGetHandleByIndex": pynvml.NVMLError(code)}, rtx_3080())
    snapshot = GpuSampler().sample()
    lost, healthy = snapshot.gpus
    assert lost == Gpu(0, "unknown GPU", "", None, None, None, None, None, None, ())
    assert (healthy.index, healthy.utilisation_percent) == (1, 97)


def test_our_processes_are_told_from_those_of_others(machine: Callable[..., FakeNvml]) -> None:
    machine(
        rtx_3080(nvmlDeviceGetComputeRunningProcesses=[nvml_process(812, 4 * GIB), nvml_process(77, 2 * GIB)]),
        rtx_3080(nvmlDeviceGetComputeRunningProcesses=[nvml_process(900, GIB)]),
    )
    first, second = GpuSampler().sample(our_pids={812}).gpus
    assert first.processes == (GpuProcess(77, 2 * GIB, ours=False), GpuProcess(812, 4 * GIB, ours=True))
    assert second.processes == (GpuProcess(900, GIB, ours=False),)


def test_a_process_that_computes_and_draws_is_listed_once(machine: Callable[..., FakeNvml]) -> None:
    machine(
        rtx_3080(
            nvmlDeviceGetComputeRunningProcesses=[nvml_process(5, GIB)],
            nvmlDeviceGetGraphicsRunningProcesses=[nvml_process(5, GIB), nvml_process(3, None)],
        )
    )
    assert GpuSampler().sample().gpus[0].processes == (
        GpuProcess(3, None, ours=False),
        GpuProcess(5, GIB, ours=False),
    )


def test_the_driver_is_opened_at_the_first_sample_and_only_once(machine: Callable[..., FakeNvml]) -> None:
    nvml = machine(rtx_3080())
    sampler = GpuSampler()
    assert nvml.inits == 0
    sampler.sample()
    sampler.sample()
    assert nvml.inits == 1


def test_close_lets_go_of_the_driver_and_a_later_sample_opens_it_again(machine: Callable[..., FakeNvml]) -> None:
    nvml = machine(rtx_3080())
    sampler = GpuSampler()
    sampler.close()  # not opened yet: nothing to do
    sampler.sample()
    sampler.close()
    assert not nvml.open
    assert sampler.sample().problem is None


def test_a_driver_that_comes_late_is_found(machine: Callable[..., FakeNvml]) -> None:
    nvml = machine(rtx_3080())
    nvml.init_error = pynvml.NVML_ERROR_DRIVER_NOT_LOADED
    sampler = GpuSampler()
    assert sampler.sample().problem is not None
    nvml.init_error = None
    assert sampler.sample().problem is None


def test_a_driver_that_goes_away_and_comes_back_is_found_again(machine: Callable[..., FakeNvml]) -> None:
    nvml = machine(rtx_3080())
    sampler = GpuSampler()
    sampler.sample()
    nvml.open = False  # the driver was reloaded under us
    assert sampler.sample().problem == "NVIDIA driver: Uninitialized"
    assert sampler.sample().problem is None


def test_the_warning_of_the_pynvml_shim_is_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pynvml.py").write_text(
        "import warnings\n"
        "warnings.warn('The pynvml package is deprecated', FutureWarning)\n"
        "def nvmlInit(): pass\n"
        "def nvmlDeviceGetCount(): return 0\n"
    )
    monkeypatch.delitem(sys.modules, "pynvml")
    monkeypatch.syspath_prepend(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert GpuSampler().sample().problem == "no NVIDIA GPU"


@pytest.mark.gpu
def test_a_real_gpu_answers() -> None:
    sampler = GpuSampler()
    snapshot = sampler.sample()
    sampler.close()
    if snapshot.problem is not None:
        pytest.skip(snapshot.problem)
    gpu = snapshot.gpus[0]
    assert gpu.name != "unknown GPU"
    assert gpu.uuid.startswith("GPU-")
    assert gpu.memory_total_bytes is None or gpu.memory_total_bytes > GIB
    assert gpu.utilisation_percent is None or 0 <= gpu.utilisation_percent <= 100
