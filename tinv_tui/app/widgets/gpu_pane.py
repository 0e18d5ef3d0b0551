"""GPU and VRAM, and beside them processor, memory and disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from tinv_tui.app import chart, wording
from tinv_tui.app.chart import Scale
from tinv_tui.app.machine import MachinePast, Past
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.pane import Pane
from tinv_tui.app.wording import Line
from tinv_tui.printable import wrapped
from tinv_tui.telemetry.gpu import own_account

if TYPE_CHECKING:
    from tinv_tui.app.machine import MachineNow
    from tinv_tui.app.watcher import RunNow
    from tinv_tui.runs.status import Status
    from tinv_tui.telemetry.gpu import Gpu
    from tinv_tui.telemetry.host import HostSnapshot


_ROOMY = 12
"""From so many rows on the pane tells all: alone, and behind its tab."""
_LABEL, _VALUE = 6, 12


class GpuPane(Pane):
    def __init__(self) -> None:
        super().__init__("GPU", id="gpu-pane", can_focus=True)
        self._machine: MachineNow | None = None
        self._run: RunNow | None = None
        self._past = MachinePast()

    def compose(self) -> ComposeResult:
        yield Lines(id="gpu-lines")

    @property
    def text(self) -> Lines:
        return self.query_one("#gpu-lines", Lines)

    def show(self, machine: MachineNow, run: RunNow | None) -> None:
        self._machine, self._run = machine, run
        self._past.add(machine)
        self._rebuild()

    def on_resize(self) -> None:
        self._rebuild()

    def _rebuild(self) -> None:
        width = self.text.size.width
        if self._machine is None or not width:
            return
        if self.text.size.height == 1:
            self.text.show([((meter(self._machine, self._run), "value"),)])
            return
        lines: list[Line] = []
        if self._machine.gpu.problem is not None:
            lines += [((row, "warning"),) for row in wrapped(self._machine.gpu.problem, width, most=2)]
        status = self._run.status if self._run is not None and self._run.has_worker else None
        worker_bytes = status.memory_bytes if status is not None else None
        gpus = _with_ours(self._machine.gpu.gpus, status)
        if self.text.size.height >= _ROOMY:
            full = [full_lines(gpu, self._past, width) for gpu in gpus]
            room = self.text.size.height - len(lines) - 4
            if sum(map(len, full)) > room:  # of many GPUs the processes are counted only
                full = [gpu_lines(gpu, width) for gpu in gpus]
            if sum(map(len, full)) > room:
                full = [[brief_line(gpu, width)] for gpu in gpus]
            for gpu_rows in full:
                lines += gpu_rows
            lines += full_host_lines(self._machine.host, self._past, worker_bytes, width)
            self.text.show(lines)
            return
        is_brief = len(gpus) > 1 and len(gpus) * 3 + 2 > self.text.size.height
        for gpu in gpus:
            lines += [brief_line(gpu, width)] if is_brief else gpu_lines(gpu, width)
        lines += host_lines(self._machine.host, worker_bytes, width)
        self.text.show(lines)


def _with_ours(gpus: Sequence[Gpu], status: Status | None) -> list[Gpu]:
    """The GPU that the run trains on first, and on it the run's own account of its memory where the driver knows none."""
    if status is None or status.gpu_bytes is None:
        return list(gpus)
    ours = [own_account(gpu, status.gpu_bytes) for gpu in gpus if gpu.in_words == status.device]
    return [*ours, *(gpu for gpu in gpus if gpu.in_words != status.device)]


def brief_line(gpu: Gpu, width: int) -> Line:
    """One of many GPUs: its name, and its load, or the memory of a part, whose load the driver does not tell."""
    if gpu.part is None:
        return gpu_lines(gpu, width)[0]
    used, total = gpu.memory_used_bytes, gpu.memory_total_bytes
    memory = wording.DASH if used is None or not total else f"{wording.gib(used)}/{wording.gib(total)}G"
    return ((f"{gpu.label} {_name(gpu, width - len(memory) - len(gpu.label) - 3)}  ", "label"), (memory, "value"))


def gpu_lines(gpu: Gpu, width: int) -> list[Line]:
    """Name and load, memory with a meter, and whose memory it is."""
    load = f"{_or_dash(gpu.utilisation_percent):>3}%  {_or_dash(gpu.temperature_c)}°C  {_power(gpu)}"
    name = _name(gpu, width - len(load) - len(gpu.label) - 4)
    lines: list[Line] = [((f"{gpu.label} {name}  ", "label"), (load, "value"))]
    if gpu.memory_used_bytes is not None and gpu.memory_total_bytes:
        share = gpu.memory_used_bytes / gpu.memory_total_bytes
        numbers = f" {wording.gib(gpu.memory_used_bytes)}/{wording.gib(gpu.memory_total_bytes)}G"
        full, empty = wording.bar(share, max(4, width - 5 - len(numbers)))
        role = "bad" if share > 0.95 else "warning" if share > 0.85 else "accent"
        lines.append((("vram ", "label"), (full, role), (empty, "faint"), (numbers, "value")))
    else:
        lines.append((("vram ", "label"), (wording.DASH, "value")))
    ours = sum(p.used_bytes or 0 for p in gpu.processes if p.ours)
    others = [p for p in gpu.processes if not p.ours]
    held = sum(p.used_bytes or 0 for p in others)
    of_ours, of_others = wording.memory(ours), wording.memory(held)
    said = f"{len(others)} process{'es' if len(others) != 1 else ''}"
    if len(f"ours {of_ours}  others {of_others} ({said})") > width:
        said = str(len(others))
    lines.append((("ours ", "label"), (of_ours, "value"), ("  others ", "label"), (f"{of_others} ({said})", "value")))
    return lines


def _name(gpu: Gpu, width: int) -> str:
    name = gpu.name.removeprefix("NVIDIA ").removeprefix("GeForce ")
    if gpu.needs_parts:
        name = f"{name} MIG, no part"
    if gpu.part is not None and len(name) > width:  # how large it is says more than what it is of
        size = name.rpartition("MIG ")[2]
        name = f"MIG {size}" if len(size) + 4 <= width else size
    return wording.cut(name, max(6, width))


def _power(gpu: Gpu) -> str:
    used = wording.DASH if gpu.power_w is None else f"{gpu.power_w:.0f}"
    return f"{used}/{gpu.power_limit_w:.0f}W" if gpu.power_limit_w is not None else f"{used}W"


def full_lines(gpu: Gpu, past: MachinePast, width: int) -> list[Line]:
    """All that is known of a GPU: load and memory over time, clocks and what holds them back, memory by process."""
    used, total = gpu.memory_used_bytes, gpu.memory_total_bytes
    memory = f"{wording.gib(used)}/{wording.gib(total)}G" if used is not None and total is not None else wording.DASH
    held = gpu.held_back_by
    told = wording.DASH if held is None else ", ".join(held) or "nothing"
    lines: list[Line] = [
        ((f"{gpu.label} {_name(gpu, width - len(gpu.label) - 2)}", "accent"),),
        _over_time("load", f"{_or_dash(gpu.utilisation_percent)}%", past.of(f"load {gpu.label}"), width),
        _over_time("vram", memory, past.of(f"memory {gpu.label}"), width),
        *wording.flow(
            [
                ("temperature", f"{_or_dash(gpu.temperature_c)}°C"),
                ("power", _power(gpu)),
                ("clock", f"{_or_dash(gpu.clock_mhz)} MHz"),
                ("memory clock", f"{_or_dash(gpu.memory_clock_mhz)} MHz"),
                ("held back by", told),
            ],
            width,
        ),
    ]
    for process in sorted(gpu.processes, key=lambda process: (not process.ours, -(process.used_bytes or 0))):
        whose, role = ("● this run", "good") if process.ours else ("  other", "label")
        lines.append(
            (
                (f"{whose:<12}", role),
                (f"{wording.memory(process.used_bytes):>6}", "value"),
                (f"  pid {process.pid}" if process.pid else "  by its own account", "label"),
            )
        )
    if not gpu.processes:
        lines.append((("no process told by the driver", "label"),))
    return [*lines, ()]


def _over_time(label: str, value: str, past: Past, width: int) -> Line:
    """A small line from nothing to full, and the value it has now before it."""
    room = max(0, width - _LABEL - _VALUE)
    return (
        (f"{label:<{_LABEL}}", "label"),
        (f"{value:<{_VALUE}}", "value"),
        (chart.draw(past[max(0, len(past) - room) :], 1, Scale(0.0, 1.0))[0], "chart"),
    )


def full_host_lines(host: HostSnapshot, past: MachinePast, worker_bytes: int | None, width: int) -> list[Line]:
    ram = f"{wording.gib(host.memory_used_bytes)}/{wording.gib(host.memory_total_bytes)}G"
    disk = wording.DASH if host.disk_free_bytes is None else f"{wording.memory(host.disk_free_bytes)} free"
    return [
        _over_time("cpu", _processor(host).strip(), past.of("cpu"), width),
        _over_time("ram", ram, past.of("ram"), width),
        *wording.flow([("disk", disk), ("worker", wording.memory(worker_bytes))], width),
    ]


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


def meter(machine: MachineNow, run: RunNow | None) -> str:
    """The machine in a few words, for the top line: of several GPUs the one that the run trains on."""
    status = run.status if run is not None and run.has_worker else None
    gpus = _with_ours(machine.gpu.gpus, status)
    if not gpus or (status is not None and status.device == "cpu"):
        return f"{'' if gpus else 'no gpu  '}cpu {_processor(machine.host)}"
    gpu = gpus[0]
    words = [f"gpu{gpu.label} {_or_dash(gpu.utilisation_percent):>3}%"]
    if gpu.memory_used_bytes is not None and gpu.memory_total_bytes:
        words.append(f"{wording.gib(gpu.memory_used_bytes)}/{wording.gib(gpu.memory_total_bytes)}G")
    if gpu.temperature_c is not None:
        words.append(f"{gpu.temperature_c}°C")
    return " ".join(words)


def _or_dash(value: int | None) -> str:
    return wording.DASH if value is None else str(value)
