"""The host beside the GPUs: processor, memory, disk, and what one process holds."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import psutil
import pytest

from tinv_tui.telemetry import host
from tinv_tui.telemetry.host import process_memory_bytes, sample_host


def test_the_host_is_sampled(tmp_path: Path) -> None:
    snapshot = sample_host(tmp_path)
    assert 0 <= snapshot.cpu_percent <= 100
    assert 0 < snapshot.memory_used_bytes < snapshot.memory_total_bytes
    assert snapshot.disk_free_bytes is not None
    assert snapshot.disk_free_bytes > 0
    assert snapshot.load >= 0


def test_a_folder_that_does_not_exist_yet_has_the_disk_it_will_lie_on(tmp_path: Path) -> None:
    assert sample_host(tmp_path / "tinv" / "runs").disk_free_bytes is not None


def test_a_disk_that_does_not_answer_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stale(_: str) -> None:
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(psutil, "disk_usage", stale)
    assert sample_host(tmp_path).disk_free_bytes is None


def test_cpu_use_is_measured_between_samples_of_different_threads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = iter([(10.0, 100.0), (13.0, 104.0), (13.0, 104.0)])
    monkeypatch.setattr(host, "_cpu_seconds", lambda: next(clock))
    monkeypatch.setattr(host, "_cpu", host._CpuMeter())
    seen: list[float] = []
    for _ in range(2):
        thread = threading.Thread(target=lambda: seen.append(sample_host(tmp_path).cpu_percent))
        thread.start()
        thread.join()
    assert seen == [75.0, 75.0]  # three of four seconds; then no time has passed, and the answer stays


def test_memory_of_a_process() -> None:
    assert process_memory_bytes(os.getpid()) > 1_000_000  # type: ignore[operator]


def test_memory_of_a_process_that_is_gone() -> None:
    assert process_memory_bytes(2**22 + 1) is None  # above the highest process id that Linux gives
    assert process_memory_bytes(-1) is None
