"""How a model computes on a machine: number format, operators, threads, attention."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from tinv_tui.errors import InputError
from tinv_tui.models import loading
from tinv_tui.models.frozen import suitable_operators
from tinv_tui.models.loading import choose_dtype
from tinv_tui.models.number_formats import computes_in_bf16
from tinv_tui.runs.sharing import Sharer
from tinv_tui.worker import computing
from tinv_tui.worker.computing import has_kernels
from tinv_tui.worker.setup import choose_device

CPU = torch.device("cpu")
LARGE: Any = SimpleNamespace(is_small=False)
SMALL: Any = SimpleNamespace(is_small=True)


@pytest.mark.parametrize(
    ("flags", "found"),
    [("fpu avx512f avx512_bf16", True), ("fpu amx_bf16 amx_tile", True), ("fpu avx2 avx512f", False), ("", False)],
)
def test_a_processor_says_in_its_flags_whether_it_computes_in_bf16(tmp_path: Path, flags: str, found: bool) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\nflags\t\t: {flags}\n")
    assert computes_in_bf16(told) is found
    assert computes_in_bf16(tmp_path / "none") is False


def test_auto_is_bf16_on_a_processor_that_computes_in_it_and_never_for_a_small_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for has_it, wanted in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(loading, "computes_in_bf16", lambda has_it=has_it: has_it)
        assert choose_dtype("auto", CPU, LARGE) == wanted
        assert choose_dtype("auto", CPU, SMALL) == torch.float32
        assert choose_dtype("fp16", CPU, LARGE) == torch.float16


@pytest.mark.parametrize(
    ("host_gib", "is_small", "on_gpu", "found"),
    [
        (16, False, False, "packed"),
        (None, False, False, "packed"),
        (9, False, False, "frozen"),
        (16, True, False, "stock"),
        (16, True, True, "frozen"),
        (9, False, True, "fused"),
    ],
)
def test_operators_follow_from_the_model_the_device_and_the_hosts_memory(
    host_gib: int | None, is_small: bool, on_gpu: bool, found: str
) -> None:
    host_bytes = None if host_gib is None else host_gib * 2**30
    assert suitable_operators(3.2 * 2**30, host_bytes, is_small=is_small, on_gpu=on_gpu) == found


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(8)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("others", "found"), [(0, 8), (1, 4), (2, 2), (20, 1)])
def test_runs_on_one_processor_share_its_threads(monkeypatch: pytest.MonkeyPatch, others: int, found: int) -> None:
    sharers = [Sharer(pid=-1 - n, user="ana", run="/runs/x", since=0.0) for n in range(others)]
    monkeypatch.setattr(computing, "sharers_of", lambda _device: sharers)
    computing.take_threads(LARGE, CPU)
    assert torch.get_num_threads() == found


@pytest.mark.usefixtures("threads")
def test_a_small_model_takes_one_thread_and_what_the_user_says_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "sharers_of", lambda _device: [Sharer(pid=-1, user="", run="/runs/x", since=0.0)])
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    computing.take_threads(LARGE, CPU)
    assert torch.get_num_threads() == 8
    computing.take_threads(SMALL, CPU)
    assert torch.get_num_threads() == 1


KNOWN = ["sm_75", "sm_80", "sm_90a", "sm_100", "compute_120"]


@pytest.mark.parametrize(
    ("capability", "found"),
    [
        ((6, 1), False),
        ((7, 0), False),
        ((7, 5), True),
        ((8, 6), True),
        ((10, 3), True),
        ((11, 0), False),
        ((13, 0), True),
    ],
)
def test_torch_has_kernels_for_later_ones_of_a_generation_and_what_a_driver_can_build(
    capability: tuple[int, int], found: bool
) -> None:
    assert has_kernels(capability, KNOWN) is found
    assert has_kernels(capability, ["gfx90a"])


def test_a_gpu_that_torch_has_no_kernels_for_is_told_of_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, answer in (
        ("is_available", True),
        ("get_device_capability", (6, 1)),
        ("get_arch_list", KNOWN),
        ("get_device_name", "Tesla P40"),
    ):
        monkeypatch.setattr(torch.cuda, name, lambda answer=answer: answer)
    with pytest.raises(InputError, match=r"no kernels for Tesla P40 \(compute capability 6\.1\)") as told:
        choose_device()
    assert "CUDA_VISIBLE_DEVICES" in told.value.hint
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 6))
    assert choose_device() == torch.device("cuda")


def test_attention_is_safe_where_its_products_are_beyond_fp16() -> None:
    """As those of SD 2.x are: torch adds them up in fp32, whichever of its kernels it takes."""
    draw = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, 2, 64, 64, generator=draw) * size for size in (60, 60, 1))
    assert float((query @ key.transpose(-1, -2)).abs().max()) > torch.finfo(torch.float16).max
    narrow = [tensor.half().requires_grad_() for tensor in (query, key, value)]
    found = scaled_dot_product_attention(*narrow)
    found.float().sum().backward()
    wanted = scaled_dot_product_attention(*(tensor.detach().float() for tensor in narrow))
    assert torch.allclose(found.float(), wanted, atol=5e-3)
    assert all(bool(torch.isfinite(tensor.grad).all()) for tensor in narrow if tensor.grad is not None)
