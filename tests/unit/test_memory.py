"""What memory a run takes, about, and the warning where there is not so much."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from PIL import Image

from tests.nvml import GIB, FakeNvml, a100, machine, rtx_3080
from tests.unit.test_families import SD15, make_model
from tinv_tui.cli.checking import describe_plan
from tinv_tui.models import bundled
from tinv_tui.models.families import SD1, SDXL, Family
from tinv_tui.models.memory_plan import WHOLE, MemoryPlan, Step
from tinv_tui.recipe import make_recipe
from tinv_tui.runs.memory import family_step, memory_need, memory_warnings, step_of
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


def gpu_bytes(plan: RunPlan, precision: str = "auto") -> int:
    return step_of(plan, precision, on_gpu=True).bytes_by(WHOLE)


def test_sd15_in_half_precision_takes_about_what_was_measured(plan: Any, tmp_path: Path) -> None:
    """1.9 GiB of weights and 0.5 of what is kept for the way back, with the driver's context."""
    made = plan(str(sd15(tmp_path / "sd15")))
    half, full = (gpu_bytes(made, precision) / GIB for precision in ("auto", "fp32"))
    assert 2.7 < half < 3.2
    assert 4.8 < full < 5.8


def test_a_folder_of_half_precision_files_is_the_same_model(plan: Any, tmp_path: Path) -> None:
    whole, half = plan(str(sd15(tmp_path / "whole"))), plan(str(sd15(tmp_path / "half", 2)))
    assert gpu_bytes(half) == pytest.approx(gpu_bytes(whole), rel=0.01)


@pytest.mark.parametrize("twin", ["model.fp16.safetensors", "diffusion_pytorch_model.non_ema.safetensors", "a.bin"])
def test_twins_of_the_weights_change_nothing(twin: str, plan: Any, tmp_path: Path) -> None:
    folder, half = sd15(tmp_path / "sd15"), sd15(tmp_path / "half", 2)
    alone = gpu_bytes(plan(str(folder)))
    for part in SD15_BYTES:
        shutil.move(half / part / "model.safetensors", folder / part / twin)
    assert gpu_bytes(plan(str(folder))) == alone


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x02" + b"\0" * 7 + b"[]"])
def test_weights_that_cannot_be_read_do_not_hinder_the_estimate(content: bytes, plan: Any, tmp_path: Path) -> None:
    folder = sd15(tmp_path / "sd15")
    made = plan(str(folder))
    (folder / "unet" / "model.safetensors").write_bytes(content)
    assert gpu_bytes(made) > 0


def test_memory_grows_with_the_batch(plan: Any) -> None:
    assert 0 < memory_need(plan()).peak_bytes < memory_need(plan(batch_size=64)).peak_bytes


def test_full_precision_shows_what_it_takes_more(plan: Any, tmp_path: Path, on_gpu: Any) -> None:
    on_gpu(rtx_3080())
    model = str(sd15(tmp_path / "sd15"))
    memory = describe_plan(plan(model, precision="fp32"))["memory"]
    assert 1.5 * GIB < memory["extra_bytes"] < 2 * GIB  # the UNet's, and what a step by the smallest plan keeps
    assert "1.78 GiB more than auto" in memory["settings"]
    assert describe_plan(plan(model))["memory"]["extra_bytes"] == 0


def test_full_precision_on_the_processor_is_what_auto_takes_too(plan: Any) -> None:
    assert memory_need(plan(precision="fp32")).extra_bytes == 0


def test_a_run_that_does_not_fit_is_warned_of_before_it_starts(plan: Any, tmp_path: Path, on_gpu: Any) -> None:
    on_gpu(rtx_3080())  # 4 GiB free
    model = str(sd15(tmp_path / "sd15"))
    assert memory_warnings(memory_need(plan(model))) == []
    warnings = describe_plan(plan(model, precision="fp32"))["warnings"]
    (said,) = [w["message"] for w in warnings if w["code"] == "memory-tight"]
    assert said.startswith(
        "training takes about 4.2 GiB even with gradient checkpointing and text encoders in 16 bits, "
    )
    assert "GPU 0 (NVIDIA GeForce RTX 3080) has 4.0 free" in said
    assert said.endswith("training.precision = auto saves about 1.8")


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


def test_of_a_gpu_cut_into_parts_the_emptiest_part_is_taken(on_gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that still needs its parts made takes no training, however much memory it has."""
    on_gpu(a100(0, 2), a100())
    room = room_for_training()
    assert (room.device, room.key) == ("GPU 0:2 (NVIDIA A100-SXM4-40GB MIG 1g.5gb)", "MIG-2")
    assert (room.free_bytes, room.largest_gpu_bytes, room.was_chosen) == (3 * GIB, 5 * GIB, True)
    monkeypatch.setitem(os.environ, "CUDA_VISIBLE_DEVICES", "MIG-0")
    assert room_for_training().key == "MIG-0"
    monkeypatch.delitem(os.environ, "CUDA_VISIBLE_DEVICES")
    on_gpu(a100())
    assert not room_for_training().on_gpu


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


# -- the plan ----------------------------------------------------------------------------------------------------------

SMALLEST = MemoryPlan(checkpointing=True, text_in_16_bits=True)


def step(family: Family, batch: int = 1) -> Step:
    """Of a published model at its native size, on a GPU."""
    return replace(family_step(family, on_gpu=True), batch=batch)


@pytest.mark.parametrize(
    ("family", "batch", "free_gib", "words"),
    [
        (SD1, 1, 4, ""),
        (SD1, 4, 4, "batches of 4 in 2 parts"),
        (SD1, 4, 3.4, "batches of 4 in 2 parts and text encoders in 16 bits"),
        (SD1, 4, 6, ""),
        (SDXL, 1, 12, ""),
        (SDXL, 1, 11, "text encoders in 16 bits"),
        (SDXL, 1, 7.5, "gradient checkpointing and text encoders in 16 bits"),
        (SDXL, 4, 7.5, "batches of 4 in 4 parts, gradient checkpointing and text encoders in 16 bits"),
    ],
)
def test_the_fastest_plan_that_fits_is_taken(family: Family, batch: int, free_gib: float, words: str) -> None:
    """SD 1.5 at 512 trains on a card of 4 GiB and SDXL at 1024 on one of 8, the driver's half a GiB taken off."""
    made = step(family, batch)
    plan = made.fastest_plan(int(free_gib * GIB))
    assert plan.in_words(batch) == words
    assert made.bytes_by(plan) <= free_gib * GIB


def test_each_plan_takes_less_than_the_one_before() -> None:
    made, plan, taken = step(SDXL, 4), WHOLE, list[int]()
    while plan is not None:
        taken.append(made.bytes_by(plan))
        plan = plan.smaller(4, on_gpu=True)  # type: ignore[assignment]
    assert taken == sorted(set(taken), reverse=True)
    assert len(taken) == 5  # all of it, text encoders, two parts, four, checkpointing


def test_what_checkpointing_makes_room_for_is_not_done_without() -> None:
    assert step(SDXL).fastest_plan(10 * GIB) == MemoryPlan(checkpointing=True)
    assert step(SDXL, 4).fastest_plan(int(10.6 * GIB)) == MemoryPlan(checkpointing=True, text_in_16_bits=True)


def test_where_nothing_fits_it_is_the_smallest_plan_and_a_warning(plan: Any, tmp_path: Path, on_gpu: Any) -> None:
    assert step(SDXL).fastest_plan(GIB) == SMALLEST
    on_gpu(rtx_3080(nvmlDeviceGetMemoryInfo=SimpleNamespace(total=10 * GIB, free=GIB, used=9 * GIB)))
    told = describe_plan(plan(str(sd15(tmp_path / "sd15"))))
    assert told["memory"]["plan"] == asdict(SMALLEST)
    assert "memory-tight" in [w["code"] for w in told["warnings"]]


def test_where_nobody_tells_what_is_free_and_on_a_host_everything_is_tried() -> None:
    assert step(SDXL, 8).fastest_plan(None) == WHOLE
    assert replace(family_step(SDXL, on_gpu=False), batch=8).fastest_plan(GIB) == WHOLE


def test_the_plan_is_told_before_the_start(plan: Any, tmp_path: Path, on_gpu: Any) -> None:
    on_gpu(rtx_3080())  # 4 GiB free
    told = describe_plan(plan(str(sd15(tmp_path / "sd15")), batch_size=4))["memory"]
    assert (told["plan"], told["plan_words"]) == (asdict(MemoryPlan(parts=2)), "batches of 4 in 2 parts")
    assert told["settings"].startswith("batch 4, precision auto; with batches of 4 in 2 parts; GPU 0")


def test_what_a_probe_came_to_takes_the_place_of_the_estimate(plan: Any) -> None:
    need = memory_need(plan(batch_size=4), 3 * GIB, MemoryPlan(parts=2))
    assert (need.peak_bytes, need.plan_words, need.measured) == (3 * GIB, "batches of 4 in 2 parts", True)
