"""Runs that train on one device see each other, whoever started them; nothing in their common folder is trusted."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.nvml import GIB, nvml_process, rtx_3080
from tests.unit.test_memory import machine, on_gpu, plan
from tinv_tui import paths
from tinv_tui.cli.checking import describe_plan
from tinv_tui.runs import neighbours
from tinv_tui.runs.neighbours import Neighbour, in_words, neighbours_on
from tinv_tui.runs.sharing import DeviceLock, sharers_of
from tinv_tui.telemetry.room import room_for_training

__all__ = ["machine", "on_gpu", "plan"]

HOLD = """
import sys
from pathlib import Path
from tinv_tui.runs.sharing import DeviceLock
lock = DeviceLock(sys.argv[1], Path(sys.argv[2]), 7)
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINV_LOCKS", str(tmp_path / "locks"))
    return tmp_path / "locks"


@pytest.fixture
def other_run() -> Iterator[Any]:
    """Starts processes that hold a device for a run."""
    started = list[subprocess.Popen[str]]()

    def start(device: str = "cpu", run: str = "/somewhere/my-cat") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, device, run], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_run_on_a_device_is_seen_with_its_user_and_folder(other_run: Any) -> None:
    process = other_run()
    (sharer,) = sharers_of("cpu")
    assert (sharer.pid, sharer.run, sharer.name, sharer.expects_bytes) == (
        process.pid,
        "/somewhere/my-cat",
        "my-cat",
        7,
    )
    assert sharer.user == psutil.Process(process.pid).username()


def test_runs_of_other_devices_are_no_sharers(other_run: Any) -> None:
    other_run("GPU-5d1f0c6e")
    assert sharers_of("cpu") == ()
    assert len(sharers_of("GPU-5d1f0c6e")) == 1


def test_several_runs_are_seen_the_one_that_was_there_first_first(other_run: Any) -> None:
    first, second = other_run(run="/a"), other_run(run="/b")
    assert [sharer.pid for sharer in sharers_of("cpu")] == [first.pid, second.pid]


def test_a_run_that_was_killed_is_gone_and_what_it_left_is_removed(other_run: Any, locks: Path) -> None:
    process = other_run()
    process.kill()
    process.wait()
    assert len(list(locks.iterdir())) == 1
    assert sharers_of("cpu") == ()
    assert list(locks.iterdir()) == []


def test_a_process_does_not_see_itself_and_keeps_its_lock_while_it_looks(tmp_path: Path, locks: Path) -> None:
    lock = DeviceLock("cpu", tmp_path)
    assert sharers_of("cpu") == ()
    seen = subprocess.run(
        [sys.executable, "-c", "from tinv_tui.runs.sharing import sharers_of; print(len(sharers_of('cpu')))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen.stdout == "1\n"
    lock.release()
    assert list(locks.iterdir()) == []


def test_the_file_says_who_holds_it_and_the_folder_lets_all_users_add_theirs(tmp_path: Path, locks: Path) -> None:
    lock = DeviceLock("cpu", tmp_path / "my-cat")
    (file,) = locks.iterdir()
    content = json.loads(os.pread(lock._handle, 8192, 0))
    lock.release()
    assert file.name.startswith(f"cpu.{os.getpid()}-")
    assert content.keys() == {"pid", "start_time", "boot_id", "host", "run", "user", "since", "expects_bytes"}
    assert stat.S_IMODE(locks.stat().st_mode) == 0o1777


def test_without_a_folder_there_are_no_sharers() -> None:
    assert sharers_of("cpu") == ()
    assert not paths.device_locks_folder().exists()


def test_a_link_in_place_of_the_folder_is_not_followed(tmp_path: Path, locks: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    locks.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        DeviceLock("cpu", tmp_path)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "large", "text", "list", "missing"])
def test_what_others_leave_in_the_folder_is_passed_over(kind: str, tmp_path: Path, locks: Path, other_run: Any) -> None:
    """A living run beside it is seen all the same."""
    other_run()
    target = tmp_path / "precious"
    target.write_text("{}")
    hostile = locks / "cpu.1-hostile.lock"
    match kind:
        case "link":
            hostile.symlink_to(target)
        case "fifo":
            os.mkfifo(hostile)
        case "folder":
            hostile.mkdir()
        case "large":
            hostile.write_bytes(b"x" * 100_000)
        case "text":
            hostile.write_text("\x1b]0;owned\x07")
        case "list":
            hostile.write_text("[1]")
        case "missing":
            hostile.write_text('{"pid": 1}')
    assert [sharer.name for sharer in sharers_of("cpu")] == ["my-cat"]
    assert target.read_text() == "{}"


def test_what_another_run_calls_itself_cannot_steer_the_terminal(other_run: Any) -> None:
    other_run(run="/somewhere/\x1b]0;owned\x07cat")
    (sharer,) = sharers_of("cpu")
    assert sharer.name == "�]0;owned�cat"


# -- who is on the device ----------------------------------------------------------------------------------------------


def test_a_plan_tells_of_a_run_that_is_there_already(plan: Any, other_run: Any) -> None:
    process = other_run()
    content = describe_plan(plan())
    (other,) = content["device"]["others"]
    assert (other["pid"], other["run"], other["name"]) == (process.pid, "/somewhere/my-cat", "my-cat")
    assert other["used_bytes"] > 0
    (said,) = [w["message"] for w in content["warnings"] if w["code"] == "device-shared"]
    assert said.startswith(f"this machine trains already: my-cat (pid {process.pid}, ")
    assert "GiB free" in said


def test_a_plan_alone_on_its_device_warns_of_nothing(plan: Any) -> None:
    content = describe_plan(plan())
    assert content["device"]["others"] == []
    assert content["device"]["total_bytes"] == psutil.virtual_memory().total
    assert not [w for w in content["warnings"] if w["code"] == "device-shared"]


def test_processes_of_others_on_the_gpu_are_told_with_what_they_hold(
    plan: Any, on_gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "_pids_are_ours", lambda: True)
    on_gpu(rtx_3080(nvmlDeviceGetComputeRunningProcesses=[nvml_process(1, 6 * GIB), nvml_process(999_999, None)]))
    device = describe_plan(plan())["device"]
    assert (device["name"], device["free_bytes"], device["total_bytes"]) == (
        "GPU 0 (NVIDIA GeForce RTX 3080)",
        4 * GIB,
        10 * GIB,
    )
    first, gone = device["others"]
    assert (first["pid"], first["used_bytes"], first["name"]) == (1, 6 * GIB, psutil.Process(1).name())
    assert (gone["pid"], gone["used_bytes"], gone["name"]) == (999_999, None, "")


def test_in_a_container_the_drivers_pids_are_nobodys_names(on_gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_pids_are_ours", lambda: False)
    on_gpu(rtx_3080(nvmlDeviceGetComputeRunningProcesses=[nvml_process(1, GIB)]))
    assert neighbours_on(room_for_training()) == (Neighbour(1, "", "", GIB),)


def test_a_run_on_the_gpu_is_told_once_with_what_it_holds_there(on_gpu: Any, other_run: Any) -> None:
    process = other_run("GPU-5d1f0c6e")
    on_gpu(rtx_3080(nvmlDeviceGetComputeRunningProcesses=[nvml_process(process.pid, 2 * GIB)]))
    (neighbour,) = neighbours_on(room_for_training())
    assert (neighbour.run, neighbour.used_bytes) == ("/somewhere/my-cat", 2 * GIB)
    assert neighbour.in_words() == f"my-cat (pid {process.pid}, {neighbour.user}) 2.0 GiB"


def test_many_neighbours_are_counted() -> None:
    crowd = tuple(Neighbour(pid, "ana", "python3", None) for pid in range(5))
    assert in_words(crowd) == ("python3 (pid 0, ana), python3 (pid 1, ana), python3 (pid 2, ana), 2 more")
