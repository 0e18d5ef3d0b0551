"""What the doctor says of machines other than this one, and what to do about it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from tests.nvml import GIB, FakeNvml, machine, rtx_3080
from tinv_tui.cli import doctor as command
from tinv_tui.cli.health import software, storage
from tinv_tui.cli.health.check import Check
from tinv_tui.cli.health.memory import check_family, check_gpu, check_others
from tinv_tui.cli.health.past_runs import check_orphans, check_states
from tinv_tui.cli.health.self_test import _judge as judge
from tinv_tui.cli.health.session import check_logout, check_tmux
from tinv_tui.cli.health.software import Libraries, check_driver, check_torch
from tinv_tui.cli.health.storage import Disk, check_clock, check_file_system, check_storage
from tinv_tui.models.families import SD1, SD2, SDXL
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.liveness import RunState
from tinv_tui.runs.orphans import Orphan
from tinv_tui.telemetry.driver import Driver, read_driver
from tinv_tui.telemetry.room import Room

__all__ = ["machine"]


def says(check: Check, ok: bool, message: str, hint: str = "") -> None:
    assert check.ok is ok, check
    assert message in check.message
    assert hint in check.hint
    assert ok or check.hint


# -- torch and the driver ----------------------------------------------------------------------------------------------


def built_for(cuda: str | None, *, usable: bool = True, problem: str = "") -> Libraries:
    return Libraries("2.13.0", "0.42.1", "5.23.0", cuda, usable and cuda is not None, problem)


def test_torch_is_asked_of_the_gpu_that_a_run_would_take(
    machine: Callable[..., FakeNvml], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "2.13.0+cu130")
    monkeypatch.setattr(os, "environ", {n: v for n, v in os.environ.items() if not n.startswith("CUDA_")})
    roomier = SimpleNamespace(total=24 * GIB, free=23 * GIB, used=GIB)
    machine(rtx_3080(), rtx_3080(nvmlDeviceGetUUID="GPU-second", nvmlDeviceGetMemoryInfo=roomier))
    asked: list[dict[str, str]] = []

    def run(command: list[str], **how: Any) -> None:
        asked.append(how["env"])
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(software.subprocess, "run", run)
    software.check_software()
    assert asked[0]["CUDA_VISIBLE_DEVICES"] == "GPU-second"
    assert asked[0]["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    os.environ["CUDA_VISIBLE_DEVICES"] = "0"
    software.check_software()
    assert asked[1]["CUDA_VISIBLE_DEVICES"] == "0"


@pytest.mark.parametrize(
    ("libraries", "driver", "ok", "message", "hint"),
    [
        (built_for(None), None, True, "training runs on the processor", ""),
        (built_for("13.0", usable=False), None, False, "no NVIDIA driver, though torch is built for CUDA 13.0", "Install"),
        (built_for("13.0"), None, False, "NVML is missing: nobody sees its memory", "utility"),
        (built_for("13.0"), Driver("580.95.05", (13, 0)), True, "knows CUDA up to 13.0, torch is built for 13.0", ""),
        (built_for("12.8"), Driver("580.95.05", (13, 0)), True, "torch is built for 12.8", ""),
        # Within a major version any driver will do.
        (built_for("12.8"), Driver("535.230.02", (12, 2)), True, "torch is built for 12.8", ""),
        (built_for("13.0"), Driver("570.86.15", (12, 8)), False, "torch is built for 13.0", "580.65.06 or newer"),
        (built_for("13.0"), Driver("570.86.15", (12, 8)), False, "", "a torch built for CUDA 12"),
        (built_for(None), Driver("570.86.15", (12, 8)), False, "the GPU lies idle", "built for CUDA 12.8"),
        (built_for("12.8", usable=False, problem="busy"), Driver("570.86.15", (12, 8)), False, "busy", "nvidia-smi"),
        (built_for("13.0", problem="sm_61 is not"), Driver("580.95.05", (13, 0)), False, "sm_61", "this GPU"),
        (None, Driver("570.86.15", (12, 8)), True, "driver 570.86.15 knows CUDA up to 12.8", ""),
    ],
)  # fmt: skip
def test_the_driver_has_to_know_the_cuda_that_torch_is_built_for(
    libraries: Libraries | None, driver: Driver | None, ok: bool, message: str, hint: str
) -> None:
    says(check_driver(libraries, driver), ok, message, hint)


def test_a_torch_that_cannot_be_imported_is_said_with_its_reason() -> None:
    says(check_torch(None, "ImportError: libcudart.so.13"), False, "libcudart.so.13", "pip install")
    says(check_torch(built_for("13.0")), True, "torch 2.13.0, diffusers 0.42.1, transformers 5.23.0, CUDA 13.0")


def test_the_driver_tells_its_version_and_its_cuda(machine: Callable[..., FakeNvml]) -> None:
    nvml: Any = machine(rtx_3080())
    assert read_driver() is None  # it does not answer
    nvml.nvmlSystemGetDriverVersion = lambda: "570.86.15"
    nvml.nvmlSystemGetCudaDriverVersion_v2 = lambda: 12080
    assert read_driver() == Driver("570.86.15", (12, 8))
    assert not nvml.open


# -- memory ------------------------------------------------------------------------------------------------------------


def gpu(total_gib: float, free_gib: float) -> Room:
    return Room(True, "GPU 0 (RTX 3080)", int(free_gib * GIB), int(total_gib * GIB), "GPU-1")


def test_the_guides_8_gb_do_for_every_family_at_its_size() -> None:
    assert [check_family(family, gpu(8, 7.6)).ok for family in (SD1, SD2, SDXL)] == [True, True, True]
    says(check_family(SDXL, gpu(8, 7.6)), True, "with gradient checkpointing and text encoders in 16 bits")
    says(check_family(SDXL, gpu(12, 11)), True, "with 11.0 GiB free it fits with text encoders in 16 bits")
    says(check_family(SD1, gpu(4, 3.8)), True, "at 512², batch 1; GPU 0 (RTX 3080) has 4.0 GiB")
    says(check_family(SDXL, gpu(6, 5.7)), False, "text encoders in 16 bits; GPU 0 (RTX 3080) has 6.0 GiB", "smaller")
    says(check_family(SDXL, gpu(24, 23)), True, "at 1024²")
    figures = [check_family(family, gpu(24, 23)).message for family in (SD1, SD2, SDXL)]
    needs = [float(re.findall(r"about ([\d.]+) GiB", said)[0]) for said in figures]
    assert 2.5 < needs[0] < 4 < needs[1] < 6 < 10 < needs[2] < 16


def test_memory_that_others_hold_can_be_waited_for() -> None:
    says(check_family(SD1, gpu(8, 1)), False, "1.0 GiB free", "--wait-free")


def test_where_nobody_tells_how_much_there_is_no_line_complains() -> None:
    assert check_family(SDXL, Room(True, "GPU 0", None, None, "GPU-1")).ok
    assert check_others(Room(True, "GPU 0", None, None, "GPU-1")).ok


def test_a_card_of_4_gb_is_below_the_guide(machine: Callable[..., FakeNvml]) -> None:
    machine(rtx_3080(nvmlDeviceGetMemoryInfo=SimpleNamespace(total=4 * GIB, free=0, used=0)))
    says(check_gpu(), False, "4.0 GiB", "--probe")


# -- the disk ----------------------------------------------------------------------------------------------------------


def disk(kind: str = "ext4", *, locks: bool = True, sync: float = 0.01, ahead: float = 0.0) -> Disk:
    return Disk(Path("/home/ana"), kind, locks, sync, ahead)


def test_a_disk_over_the_network_is_named_and_does_where_it_keeps_locks() -> None:
    says(check_file_system(disk()), True, "ext4: keeps locks, syncs in 10 ms")
    says(check_file_system(disk("nfs4")), True, "nfs4, over the network: keeps locks")
    says(
        check_file_system(disk("lustre", locks=False)), False, "lustre, over the network: keeps no locks", "local disk"
    )
    says(check_file_system(disk("fuse.sshfs")), False, "not seen by other hosts", "only from the host that trains")
    says(check_file_system(disk("cifs", sync=2.0)), False, "takes 2.0 s", "every checkpoint")


def test_a_clock_that_differs_from_the_disks_is_said() -> None:
    says(check_clock(disk(ahead=-90)), False, "90 s behind this machine's", "set-ntp")
    says(check_clock(disk(ahead=2)), True, "the disk agrees")


def test_of_mounts_the_nearest_that_covers_the_home_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [("/", "ext4"), (str(tmp_path), "autofs"), (str(tmp_path), "nfs4"), (f"{tmp_path}x", "cifs")]
    mounts = [SimpleNamespace(mountpoint=point, fstype=kind) for point, kind in points]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    home = tmp_path / "home"
    home.mkdir()
    found = storage.look_at(home)
    assert (found.kind, found.is_remote, found.locks) == ("nfs4", True, True)
    assert list(home.iterdir()) == []


def test_a_home_that_is_no_folder_yet_is_looked_at_where_it_will_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINV_HOME", str(tmp_path / "a" / "b"))
    checks = {check.name: check for check in check_storage()}
    assert "(made when needed)" in checks["home"].message
    assert checks["file system"].ok
    assert list(tmp_path.iterdir()) == []

    def full(_folder: Path) -> Disk:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "look_at", full)
    says({check.name: check for check in check_storage()}["file system"], False, "No space left", "TINV_HOME")


# -- the session -------------------------------------------------------------------------------------------------------


def test_tmux_that_delays_esc_or_lacks_colours_is_said_with_the_lines_that_help() -> None:
    says(check_tmux("3.4\n10\n1\ntmux-256color\n"), True, "3.4, esc answers after 10 ms")
    lines = "set -s escape-time 10; set -g focus-events on; set -g default-terminal tmux-256color"
    says(check_tmux("3.3a\n500\n0\nscreen\n"), False, "3.3a: esc answers after 500 ms", lines)
    says(check_tmux("3.5\n10\noff\nscreen-256color\n"), False, "focus is not told", "focus-events on")
    says(check_tmux(""), False, "does not answer")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "proc/self").mkdir(parents=True)
    in_session(tmp_path)
    return tmp_path


def in_session(root: Path) -> None:
    (root / "proc/self/cgroup").write_text("0::/user.slice/user-1000.slice/session-4.scope\n")


def write(root: Path, file: str, text: str) -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(text)


def linger(root: Path) -> None:
    write(root, "var/lib/systemd/linger/ana", "")


def test_a_session_that_is_not_killed_leaves_runs_alone(root: Path) -> None:
    write(root, "etc/systemd/logind.conf", "[Login]\n#KillUserProcesses=yes\n")
    says(check_logout(root, "ana"), True, "KillUserProcesses is not on")


def test_a_session_that_is_killed_takes_runs_with_it_lingering_or_not(root: Path) -> None:
    write(root, "etc/systemd/logind.conf", "[Login]\nKillUserProcesses=yes\n")
    says(check_logout(root, "ana"), False, "KillUserProcesses", "loginctl enable-linger, then start with: systemd-run")
    linger(root)
    says(check_logout(root, "ana"), False, "KillUserProcesses", "start with: systemd-run --user --scope")
    says(check_logout(root, "root"), True, "")  # spared unless KillExcludeUsers says otherwise


def test_later_files_of_logind_count_and_etc_hides_what_the_system_ships(root: Path) -> None:
    write(root, "etc/systemd/logind.conf", "KillUserProcesses=no\n")
    write(root, "usr/lib/systemd/logind.conf.d/10-kill.conf", "KillUserProcesses=yes\n")
    assert not check_logout(root, "ana").ok
    write(root, "etc/systemd/logind.conf.d/10-kill.conf", "# nothing\n")
    assert check_logout(root, "ana").ok
    write(root, "run/systemd/logind.conf.d/90-mine.conf", "KillUserProcesses = true\nKillExcludeUsers=root ana\n")
    assert check_logout(root, "ana").ok
    assert not check_logout(root, "eva").ok


def test_what_runs_under_the_users_manager_lives_while_the_user_lingers(root: Path) -> None:
    cgroup = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope\n"
    write(root, "proc/self/cgroup", cgroup)
    says(check_logout(root, "ana"), False, "end with the last login", "loginctl enable-linger")
    linger(root)
    says(check_logout(root, "ana"), True, "the user lingers")


def test_what_logind_does_not_hold_is_none_of_its_business(root: Path) -> None:
    write(root, "etc/systemd/logind.conf", "KillUserProcesses=yes\n")
    write(root, "proc/self/cgroup", "0::/system.slice/slurmd.service/job_7\n")
    says(check_logout(root, "ana"), True, "no session of logind's")


# -- runs and the self-test --------------------------------------------------------------------------------------------


def test_lost_and_silent_runs_are_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINV_HOME", "/home/ana/tinv")
    day = Path("/home/ana/tinv/runs/2026-11-22")
    states: list[tuple[str, RunState]] = [("cat", "finished"), ("dog", "lost"), ("owl", "not-responding")]
    check = check_states([(RunFolder(day / name), state) for name, state in states])
    says(check, False, "lost their worker: dog; not responding: owl", "resume dog")
    assert "stop owl --force" in check.hint
    says(check_states([(RunFolder(day / "cat"), "running")]), True, "1, 1 of them alive")


def test_orphans_are_named_with_how_to_end_them() -> None:
    says(check_orphans([]), True, "no worker")
    orphan = Orphan(41, "/runs/cat", "its folder is gone", 2 * GIB)
    says(check_orphans([orphan, orphan]), False, "process 41 of /runs/cat (its folder is gone)", "kill 41 41")


def test_a_self_test_that_fails_says_why() -> None:
    error = '{"error": {"code": "internal", "message": "RuntimeError: no kernel image", "hint": "See the log"}}'
    says(judge(error, ""), False, "no kernel image", "See the log")
    says(judge("", "Killed\n"), False, "Killed", "tinv-tui demo")
    says(judge('{"run": "/x", "state": "stopped", "steps": 7}', ""), False, "ended stopped at step 7")


@pytest.mark.parametrize(("failing", "code"), [("torch", 1), ("gpu", 0), ("self-test", 1)])
def test_only_what_nothing_works_without_is_a_failure(failing: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    for subject in ("check_software", "check_memory", "check_storage", "check_session", "check_runs"):
        monkeypatch.setattr(command, subject, list)
    monkeypatch.setattr(command, "check_by_training", lambda: Check(failing, False, "broken", "mend it"))
    done = CliRunner().invoke(command.doctor, [])
    assert done.exit_code == code
    assert "broken" in done.output
    assert "mend it" in done.output
    assert CliRunner().invoke(command.doctor, ["--no-self-test"]).output == ""
