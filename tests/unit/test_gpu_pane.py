"""What the GPU pane says of GPUs, whole and broken ones."""

from __future__ import annotations

from dataclasses import replace

from tinv_tui.app.machine import MachineNow, MachinePast
from tinv_tui.app.widgets.gpu_pane import full_host_lines, full_lines, gpu_lines
from tinv_tui.app.wording import Line
from tinv_tui.telemetry.gpu import Gpu, GpuProcess, GpuSnapshot
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


def test_nothing_holds_it_back_is_said_and_a_gpu_in_parts_is_marked() -> None:
    rows = plain(full_lines(replace(RTX, held_back_by=(), is_mig=True), past(RTX), 76))
    assert rows[0] == "0 RTX 3080 MIG"
    assert "held back by nothing" in " ".join(rows)


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
