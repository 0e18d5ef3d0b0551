"""What memory a run takes, about, and the warning where there is not so much."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from PIL import Image

from tests.unit.test_families import SD15, make_model
from tests.unit.test_telemetry import GIB, FakeNvml, machine, rtx_3080
from tinv_tui.cli.checking import describe_plan
from tinv_tui.models import bundled
from tinv_tui.recipe import make_recipe
from tinv_tui.runs.memory import estimated_bytes, memory_need, memory_warnings
from tinv_tui.runs.plan import RunPlan, plan_run
from tinv_tui.telemetry.room import room_for_training
from tinv_tui.worker.device import show_torch_only

__all__ = ["machine"]

SD15_BYTES = {"text_encoder": 123_060_000, "unet": 859_520_000, "vae": 83_650_000}
"""Parameters of each part."""


def sd15(folder: Path, number_bytes: int = 4) -> Path:
    """SD 1.5's folder with weight files of the true sizes, which hold no weights (and take no disk)."""
    make_model(folder, SD15)
    kind = {2: "F16", 4: "F32"}[number_bytes]
    for part, parameters in SD15_BYTES.items():
        size = parameters * number_bytes
        header = json.dumps({"w": {"dtype": kind, "shape": [parameters], "data_offsets": [0, size]}}).encode()
        with (folder / part / "model.safetensors").open("wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            file.truncate(8 + len(header) + size)
    shutil.copytree(bundled.FOLDER / "tokenizer", folder / "tokenizer")
    return folder


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., RunPlan]:
    (tmp_path / "pictures").mkdir()
    for number in range(5):
        Image.new("RGB", (64, 64)).save(tmp_path / "pictures" / f"{number}.png")

    def made(model: str = "bundled", **training: Any) -> RunPlan:
        values = {"model": {"path": model}, "embedding": {"name": "zork"}, "training": training}
        return plan_run(make_recipe(values | {"dataset": {"path": "pictures", "template": "subject"}}), tmp_path)

    return made


@pytest.fixture
def on_gpu(machine: Callable[..., FakeNvml], monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeNvml]:
    """A machine with NVIDIA GPUs, and a torch that takes them."""
    monkeypatch.setattr(metadata, "version", lambda name: "2.13.0+cu130")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return machine


def test_sd15_in_half_precision_takes_about_what_was_measured(plan: Any, tmp_path: Path) -> None:
    """2.5 GiB of weights and 0.7 of what is kept for the way back, with the driver's context (reference performance)."""
    made = plan(str(sd15(tmp_path / "sd15")))
    half, full = (estimated_bytes(made, precision, on_gpu=True) / GIB for precision in ("auto", "fp32"))
    assert 3.0 < half < 4.0
    assert 5.5 < full < 6.5


def test_a_folder_of_half_precision_files_is_the_same_model(plan: Any, tmp_path: Path) -> None:
    whole, half = plan(str(sd15(tmp_path / "whole"))), plan(str(sd15(tmp_path / "half", 2)))
    assert estimated_bytes(half, "auto", on_gpu=True) == pytest.approx(
        estimated_bytes(whole, "auto", on_gpu=True), rel=0.01
    )


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x02" + b"\0" * 7 + b"[]"])
def test_weights_that_cannot_be_read_do_not_hinder_the_estimate(content: bytes, plan: Any, tmp_path: Path) -> None:
    folder = sd15(tmp_path / "sd15")
    made = plan(str(folder))
    (folder / "unet" / "model.safetensors").write_bytes(content)
    assert estimated_bytes(made, "auto", on_gpu=True) > 0


def test_memory_grows_with_the_batch(plan: Any) -> None:
    assert 0 < memory_need(plan()).peak_bytes < memory_need(plan(batch_size=64)).peak_bytes


def test_full_precision_shows_what_it_takes_more(plan: Any, tmp_path: Path, on_gpu: Any) -> None:
    on_gpu(rtx_3080())
    model = str(sd15(tmp_path / "sd15"))
    memory = describe_plan(plan(model, precision="fp32"))["memory"]
    assert 2 * GIB < memory["extra_bytes"] < 3 * GIB
    assert "2.31 GiB more than auto" in memory["settings"]
    assert describe_plan(plan(model))["memory"]["extra_bytes"] == 0


def test_full_precision_on_the_processor_is_what_auto_takes_too(plan: Any) -> None:
    assert memory_need(plan(precision="fp32")).extra_bytes == 0


def test_a_run_that_does_not_fit_is_warned_of_before_it_starts(plan: Any, tmp_path: Path, on_gpu: Any) -> None:
    on_gpu(rtx_3080())  # 4 GiB free
    model = str(sd15(tmp_path / "sd15"))
    assert memory_warnings(memory_need(plan(model))) == []
    warnings = describe_plan(plan(model, precision="fp32"))["warnings"]
    (said,) = [w["message"] for w in warnings if w["code"] == "memory-tight"]
    assert said.startswith("training takes about 5.8 GiB, GPU 0 (NVIDIA GeForce RTX 3080) has 4.0 free")
    assert said.endswith("training.precision = auto saves about 2.3")


def test_without_a_gpu_it_is_the_hosts_memory_that_counts(plan: Any) -> None:
    room = room_for_training()
    assert room.total_bytes is not None
    assert (room.on_gpu, 0 < (room.free_bytes or 0) <= room.total_bytes) == (False, True)
    (warning,) = memory_warnings(memory_need(plan(batch_size=1), measured_bytes=room.total_bytes + GIB))
    assert warning[0] == "memory-tight"
    assert "this machine has" in warning[1]


@pytest.mark.parametrize(
    ("visible", "expected"), [(None, "GPU 0"), ("1,0", "GPU 1"), ("GPU-second", "GPU 1"), ("", "this machine")]
)
def test_the_gpu_that_training_takes_is_the_first_visible_one(
    visible: str | None, expected: str, on_gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_gpu(rtx_3080(), rtx_3080(nvmlDeviceGetUUID="GPU-second"))
    if visible is not None:
        monkeypatch.setitem(os.environ, "CUDA_VISIBLE_DEVICES", visible)
    assert room_for_training().device.startswith(expected)


def test_of_several_gpus_the_one_with_the_most_free_memory_is_taken(
    on_gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = SimpleNamespace(total=10 * GIB, free=GIB, used=9 * GIB)
    on_gpu(rtx_3080(nvmlDeviceGetMemoryInfo=full), rtx_3080(nvmlDeviceGetUUID="GPU-second"))
    room = room_for_training()
    assert (room.device[:5], room.key, room.was_chosen) == ("GPU 1", "GPU-second", True)
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", dict(os.environ))
        show_torch_only(room)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-second"


def test_what_never_fits_one_gpu_may_come_free_on_a_larger_one(
    on_gpu: Any, plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The larger one is full now, so that the smaller one is where training would run."""
    full = SimpleNamespace(total=80 * GIB, free=GIB, used=79 * GIB)
    on_gpu(rtx_3080(), rtx_3080(nvmlDeviceGetUUID="GPU-large", nvmlDeviceGetMemoryInfo=full))
    need = memory_need(plan("bundled"), 40 * GIB)
    assert need.room.key == "GPU-5d1f0c6e"
    assert need.may_come_free
    monkeypatch.setitem(os.environ, "CUDA_VISIBLE_DEVICES", "0")
    assert not memory_need(plan("bundled"), 40 * GIB).may_come_free


def test_the_users_own_choice_of_a_gpu_is_left_as_it_is(on_gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    on_gpu(rtx_3080(), rtx_3080(nvmlDeviceGetUUID="GPU-second"))
    monkeypatch.setitem(os.environ, "CUDA_VISIBLE_DEVICES", "1")
    show_torch_only(room_for_training())
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"


def test_a_limit_on_this_process_leaves_less_of_the_hosts_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    held = psutil.Process().memory_info().vms
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (held + GIB, held + GIB))
    assert 0 < (room_for_training().free_bytes or 0) <= 1.1 * GIB


def test_a_gpu_that_torch_cannot_use_is_none(on_gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    on_gpu(rtx_3080())
    monkeypatch.setattr(metadata, "version", lambda name: "2.13.0+cpu")
    assert room_for_training().on_gpu is False
