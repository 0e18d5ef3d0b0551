"""What the GPU pane says of GPUs, whole and broken ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tinv_tui.app.machine import MachineNow, MachinePast
from tinv_tui.app.watcher import RunNow
from tinv_tui.app.widgets.gpu_pane import brief_line, full_host_lines, full_lines, gpu_lines, meter
from tinv_tui.app.wording import Line
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.history import RunView
from tinv_tui.runs.status import Status
from tinv_tui.telemetry.gpu import Gpu, GpuProcess, GpuSnapshot, own_account
from tinv_tui.telemetry.host import HostSnapshot

GIB = 2**30
HOST = HostSnapshot(38.0, 9 * GIB, 32 * GIB, 211 * GIB, 1.0)
PROCESSES = (GpuProcess(77, 2 * GIB, ours=False), GpuProcess(812, 4 * GIB, ours=True), GpuProcess(90, None, ours=False))
RTX = Gpu(
    0, "NVIDIA GeForce RTX 3080", "u", 97, 6 * GIB, 10 * GIB, 71, 302.5, 320.0, PROCESSES, 1905, 9501, ("power limit",)
)
LOST = Gpu(1, "unknown GPU", "", None, None, None, None, None, None, ())


def plain(lines: list[Line]) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


def past(*gpus: Gpu) -> MachinePast:
    kept = MachinePast()
    for gpu in gpus:
        kept.add(MachineNow(GpuSnapshot((gpu,), None), HOST))
    return kept


def test_a_gpu_with_room_is_told_whole_with_lines_over_time_and_our_process_first() -> None:
    rows = plain(full_lines(RTX, past(replace(RTX, utilisation_percent=0), RTX), 76))
    assert rows[0] == "0 RTX 3080"
    assert rows[1].split() == ["load", "97%", "▁█"]
    assert rows[2].split() == ["vram", "6.0/10.0G", "▅▅"]
    text = " ".join(rows)
    for words in ("temperature 71°C", "power 302/320W", "clock 1905 MHz", "memory clock 9501 MHz"):
        assert words in text
    assert "held back by power limit" in text
    assert [row.split("pid ")[1] for row in rows if "pid" in row] == ["812", "77", "90"]
    assert rows[-4].startswith("● this run")
    assert "–" in rows[-2]


def test_what_a_gpu_does_not_say_is_a_dash_and_a_gap() -> None:
    kept = past(replace(LOST, utilisation_percent=50), LOST, replace(LOST, utilisation_percent=100))
    rows = plain(full_lines(LOST, kept, 76))
    assert rows[1] == "load  –%          ▄ █"
    assert rows[2] == "vram  –              "
    assert "temperature –°C  power –W  clock – MHz" in rows[3]
    assert plain(gpu_lines(LOST, 35))[:2] == ["1 unknown GPU    –%  –°C  –W", "vram –"]


def test_nothing_holds_it_back_is_said_and_a_gpu_that_lacks_parts_is_marked() -> None:
    rows = plain(full_lines(replace(RTX, held_back_by=(), needs_parts=True), past(RTX), 76))
    assert rows[0] == "0 RTX 3080 MIG, no part"
    assert "held back by nothing" in " ".join(rows)


def test_of_a_part_its_size_stays_in_sight_and_briefly_its_memory() -> None:
    part = replace(RTX, index=1, part=2, name="NVIDIA A100-SXM4-40GB MIG 1g.5gb", utilisation_percent=None)
    assert plain([brief_line(part, 35)]) == ["1:2 MIG 1g.5gb  6.0/10.0G"]
    assert plain([brief_line(part, 60)]) == ["1:2 A100-SXM4-40GB MIG 1g.5gb  6.0/10.0G"]
    assert plain(gpu_lines(part, 35))[0] == "1:2 1g.5gb    –%  71°C  302/320W"
    assert plain([brief_line(RTX, 35)]) == plain(gpu_lines(RTX, 35))[:1]


def run_on(**status: Any) -> RunNow:
    return RunNow(RunFolder(Path("zork")), "running", Status(state="running", **status), RunView())


def test_the_top_line_tells_of_the_gpu_that_the_run_trains_on() -> None:
    second = replace(RTX, index=1, uuid="v", utilisation_percent=12, memory_used_bytes=GIB)
    now = MachineNow(GpuSnapshot((RTX, second), None), HOST)
    assert meter(now, None) == "gpu0  97% 6.0/10.0G 71°C"
    assert meter(now, run_on(device=second.in_words, gpu_bytes=GIB)) == "gpu1  12% 1.0/10.0G 71°C"
    assert meter(now, run_on(device="cpu")) == "cpu  40%"


def test_our_process_in_a_container_is_told_by_its_own_account() -> None:
    rows = plain(full_lines(own_account(replace(RTX, processes=()), 3 * GIB), past(RTX), 76))
    assert rows[-2] == "● this run    3.0G  by its own account"


def test_a_driver_that_goes_leaves_a_gap_in_the_lines() -> None:
    kept = past(RTX)
    kept.add(MachineNow(GpuSnapshot((), "NVIDIA driver not loaded"), HOST))
    kept.add(MachineNow(GpuSnapshot((RTX,), None), HOST))
    assert kept.of("load 0") == (0.97, None, 0.97)


def test_one_look_counts_once_however_often_it_is_shown() -> None:
    kept, now = MachinePast(), MachineNow(GpuSnapshot((RTX,), None), HOST)
    kept.add(now)
    kept.add(now)
    assert kept.of("cpu") == (0.38,)


def test_the_host_stands_beside_it() -> None:
    rows = plain(full_host_lines(HOST, past(RTX), None, 76))
    assert rows[0].split()[:2] == ["cpu", "40%"]
    assert rows[1].split()[:2] == ["ram", "9.0/32.0G"]
    assert rows[2] == "disk 211G free  worker –"
