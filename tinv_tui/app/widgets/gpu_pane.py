"""GPU and VRAM, and beside them processor, memory and disk."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from tinv_tui.app import wording
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.pane import Pane
from tinv_tui.app.wording import Line

if TYPE_CHECKING:
    from tinv_tui.app.machine import MachineNow
    from tinv_tui.app.watcher import RunNow
    from tinv_tui.telemetry.gpu import Gpu
    from tinv_tui.telemetry.host import HostSnapshot


class GpuPane(Pane):
    def __init__(self) -> None:
        super().__init__("GPU", id="gpu-pane", can_focus=True)
        self._machine: MachineNow | None = None
        self._run: RunNow | None = None

    def compose(self) -> ComposeResult:
        yield Lines(id="gpu-lines")

    @property
    def text(self) -> Lines:
        return self.query_one("#gpu-lines", Lines)

    def show(self, machine: MachineNow, run: RunNow | None) -> None:
        self._machine, self._run = machine, run
        self._rebuild()

    def on_resize(self) -> None:
        self._rebuild()

    def _rebuild(self) -> None:
        width = self.text.size.width
        if self._machine is None or not width:
            return
        lines: list[Line] = []
        if self._machine.gpu.problem is not None:
            lines += [((row, "warning"),) for row in textwrap.wrap(self._machine.gpu.problem, width, max_lines=2)]
        brief = len(self._machine.gpu.gpus) * 3 + 2 > self.text.size.height
        for gpu in self._machine.gpu.gpus:
            lines += gpu_lines(gpu, width)[: 1 if brief and len(self._machine.gpu.gpus) > 1 else 3]
        status = self._run.status if self._run is not None and self._run.has_worker else None
        lines += host_lines(self._machine.host, status.memory_bytes if status is not None else None, width)
        self.text.show(lines)


def gpu_lines(gpu: Gpu, width: int) -> list[Line]:
    """Name and load, memory with a meter, and whose memory it is."""
    load = f"{_or_dash(gpu.utilisation_percent):>3}%  {_or_dash(gpu.temperature_c)}°C"
    if gpu.power_w is not None:
        limit = f"/{gpu.power_limit_w:.0f}" if gpu.power_limit_w is not None else ""
        load += f"  {gpu.power_w:.0f}{limit}W"
    name = wording.cut(gpu.name.removeprefix("NVIDIA ").removeprefix("GeForce "), max(6, width - len(load) - 5))
    lines: list[Line] = [((f"{gpu.index} {name}  ", "label"), (load, "value"))]
    if gpu.memory_used_bytes is not None and gpu.memory_total_bytes:
        share = gpu.memory_used_bytes / gpu.memory_total_bytes
        numbers = f" {wording.gib(gpu.memory_used_bytes)}/{wording.gib(gpu.memory_total_bytes)}G"
        full, empty = wording.bar(share, max(4, width - 5 - len(numbers)))
        role = "bad" if share > 0.95 else "warning" if share > 0.85 else "accent"
        lines.append((("vram ", "label"), (full, role), (empty, "faint"), (numbers, "value")))
    ours = sum(p.used_bytes or 0 for p in gpu.processes if p.ours)
    others = [p for p in gpu.processes if not p.ours]
    held = sum(p.used_bytes or 0 for p in others)
    said = f"{len(others)} process{'es' if len(others) != 1 else ''}"
    lines.append(
        (
            ("ours ", "label"),
            (wording.memory(ours), "value"),
            ("  others ", "label"),
            (f"{wording.memory(held)} ({said})", "value"),
        )
    )
    return lines


def host_lines(host: HostSnapshot, worker_bytes: int | None, width: int) -> list[Line]:
    """``worker_bytes`` is the host memory the run's worker holds."""
    pairs = [
        ("cpu", _processor(host)),
        ("ram", f"{wording.gib(host.memory_used_bytes)}/{wording.gib(host.memory_total_bytes)}G"),
    ]
    if host.disk_free_bytes is not None:
        pairs.append(("disk", f"{wording.memory(host.disk_free_bytes)} free"))
    if worker_bytes is not None:
        pairs.append(("worker", wording.memory(worker_bytes)))
    return wording.flow(pairs, width)


def _processor(host: HostSnapshot) -> str:
    """In steps of 5 %: it never stands still, and each change is sent down a slow link."""
    return f"{round(host.cpu_percent / 5) * 5:3d}%"


def meter(machine: MachineNow) -> str:
    """The machine in a few words, for the top line."""
    if not machine.gpu.gpus:
        return f"no gpu  cpu {_processor(machine.host)}"
    gpu = machine.gpu.gpus[0]
    words = [f"gpu{gpu.index} {_or_dash(gpu.utilisation_percent):>3}%"]
    if gpu.memory_used_bytes is not None and gpu.memory_total_bytes:
        words.append(f"{wording.gib(gpu.memory_used_bytes)}/{wording.gib(gpu.memory_total_bytes)}G")
    if gpu.temperature_c is not None:
        words.append(f"{gpu.temperature_c}°C")
    return " ".join(words)


def _or_dash(value: int | None) -> str:
    return wording.DASH if value is None else str(value)
