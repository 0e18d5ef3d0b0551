"""What trains on a card of how much memory: planned by the table, and shown on a larger card that gives no more than that."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.worker.helpers import recipe
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.bundled import picture_sets
from tinv_tui.models.identify import identify
from tinv_tui.models.memory_plan import LIBRARY_BYTES, MemoryPlan
from tinv_tui.models.random_model import make_random_model, quickest_device
from tinv_tui.runs.events import read_all
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.status import Status
from tinv_tui.worker.memory import expect
from tinv_tui.worker.reporter import Reporter
from tinv_tui.worker.session import run_session
from tinv_tui.worker.signals import Signals

GIB = 2**30
STEPS = 8
"""Enough to warm up, to record, and to play back what was recorded."""


def capped_session(folder: RunFolder, card_gib: float) -> tuple[int, int]:
    """Train in a process that gets no more than a card of that size would give it; the exit code, and the most it held."""
    total = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction((card_gib * GIB - LIBRARY_BYTES) / total)
    status = Status(name=folder.name, state="starting", phase="loading", pid=os.getpid())
    code = run_session(folder, Signals(), Reporter(folder, status))
    return code, int(torch.cuda.max_memory_reserved())


@pytest.mark.gpu
@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("shape", "side", "batch", "card_gib"), [("sd1", 512, 1, 4), ("sd1", 512, 4, 4), ("sdxl", 1024, 1, 8)]
)
def test_true_shapes_train_and_draw_on_a_card_of_that_size(
    shape: str, side: int, batch: int, card_gib: int, tmp_path: Path
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no GPU")
    if torch.cuda.mem_get_info()[0] < card_gib * GIB:
        pytest.skip(f"the GPU has no {card_gib} GiB free")
    (tmp_path / "model").mkdir()
    make_random_model(shape, tmp_path / "model", drawn_on=quickest_device(shape))
    wanted = recipe(
        model__path=str(tmp_path / "model"),
        dataset__width=side,
        dataset__height=side,
        training__batch_size=batch,
        training__steps=STEPS,
        saving__image_every=STEPS // 2,
    )
    folder = make_run(plan_run(wanted, tmp_path))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        code, held = pool.submit(capped_session, folder, card_gib).result()
    told = read_all(folder.events)
    warned = [event["message"] for event in told if event["kind"] == "warning"]
    assert code == 0, warned
    assert held <= card_gib * GIB - LIBRARY_BYTES
    assert not [message for message in warned if "out of memory" in message and "encod" not in message]
    assert len([event for event in told if event["kind"] == "preview"]) == 2
    (note,) = [event for event in told if event["kind"] == "note" and "held_bytes" in event]
    assert note["held_bytes"] == pytest.approx(note["expected_bytes"], rel=0.1)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What torch tells of a card that has so much free; nothing is computed on it."""

    def of(free_gib: float) -> torch.device:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(free_gib * GIB), 80 * GIB))
        monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda: 1.0)
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 0)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
        return torch.device("cuda")

    return of


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return identify("bundled", Path.cwd())


def test_a_worker_plans_by_what_is_free_when_it_begins(card: Any, base: BaseModel) -> None:
    wanted = recipe(training__batch_size=8, dataset__path=str(picture_sets()["chartreuse"]))
    roomy = expect(wanted, base, [(512, 512)], card(70))
    assert roomy is not None
    assert (roomy.plan, roomy.free_bytes) == (MemoryPlan(), 70 * GIB)
    tight = expect(wanted, base, [(512, 512), (64, 64)], card(0.5 * roomy.step_bytes / GIB))
    assert tight is not None
    assert tight.plan.parts > 1
    assert tight.step_bytes < 0.5 * roomy.step_bytes
    assert f"with {tight.plan.in_words(8)}" in tight.in_words()


def test_a_resumed_worker_keeps_to_its_plan(card: Any, base: BaseModel) -> None:
    kept = MemoryPlan(parts=2)
    expected = expect(recipe(), base, [(64, 64)], card(70), kept)
    assert expected is not None
    assert expected.plan == kept


def test_a_processor_is_not_planned_for(base: BaseModel) -> None:
    assert expect(recipe(training__batch_size=64), base, [(512, 512)], torch.device("cpu")) is None
