"""Not enough memory for a step: the same step in less of it, and a run that goes on."""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import safetensors.torch
import torch

from tests.faults import FaultRecord
from tests.worker.helpers import CPU, Onlooker, make_job, recipe, train_here, trained, weights_hash
from tests.worker.test_lifecycle import rows_of
from tinv_tui.checkpoint_file import read_checkpoint, write_checkpoint
from tinv_tui.models.memory_plan import WHOLE, MemoryPlan
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.events import read_all
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.run import Run
from tinv_tui.runs.status import Status
from tinv_tui.training.arriving import StepResult
from tinv_tui.training.evaluation import Evaluation
from tinv_tui.training.loop import train
from tinv_tui.training.memory import OutOfMemory, apply_plan, gives_way, is_out_of_memory, release_memory
from tinv_tui.training.state import TrainingState
from tinv_tui.worker.reporter import Reporter
from tinv_tui.worker.session import run_session
from tinv_tui.worker.signals import Signals

SMALLER = [
    MemoryPlan(2),
    MemoryPlan(3),
    MemoryPlan(4),
    MemoryPlan(4, checkpointing=True),
    MemoryPlan(2, text_in_16_bits=True),
]


def trained_by(plan: MemoryPlan, folder: Path) -> tuple[TrainingState, Onlooker]:
    folder.mkdir()
    wanted = recipe(training__steps=2, training__batch_size=4, training__evaluation_samples=3, dataset__flip=True)
    job, state = make_job(folder, wanted)
    state.plan = plan
    train(job, state, seen := Onlooker())
    return state, seen


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingState, Onlooker]:
    return trained_by(MemoryPlan(), tmp_path_factory.mktemp("whole") / "run")


@pytest.mark.parametrize("plan", SMALLER, ids=lambda plan: plan.in_words(4))
def test_every_plan_has_the_same_gradients_and_losses(
    plan: MemoryPlan, whole: tuple[TrainingState, Onlooker], tmp_path: Path
) -> None:
    state, seen = trained_by(plan, tmp_path / "run")
    # The moments after two steps are sums of gradients; the vectors are not compared: Adam divides small ones by themselves.
    torch.testing.assert_close(
        state.moment1, whole[0].moment1, rtol=1e-4, atol=1e-5 * float(whole[0].moment1.abs().max())
    )
    for ours, theirs in zip(seen.results, whole[1].results, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-5)
        assert ours.first_prompt == theirs.first_prompt
    assert [loss for _, loss in seen.evaluations] == pytest.approx([loss for _, loss in whole[1].evaluations], rel=1e-4)


def test_checkpointing_keeps_less_for_the_way_back(tmp_path: Path) -> None:
    job, _ = make_job(tmp_path, recipe())
    kept = []
    for plan in (MemoryPlan(), MemoryPlan(checkpointing=True)):
        apply_plan(plan, job.model)
        held = list[torch.Tensor]()

        def pack(tensor: torch.Tensor, held: list[torch.Tensor] = held) -> torch.Tensor:
            held.append(tensor)
            return tensor

        context = torch.randn(1, 77, 64, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            job.model.unet(torch.randn(1, 4, 16, 16), torch.tensor([5]), context)
        weights = {p.untyped_storage().data_ptr() for p in job.model.unet.parameters()}
        storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in held}
        kept.append(sum(size for at, size in storages.items() if at not in weights))
    assert kept[1] < kept[0] / 2


def test_steps_on_a_processor_take_again_what_the_ones_before_freed(tmp_path: Path) -> None:
    """Large blocks soon come without a page fault; what is told to be given back is."""
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("not glibc's allocator")
    job, state = make_job(tmp_path, recipe(training__steps=1))
    train(job, state, Onlooker())
    mib = 2**20 // 4
    pages = 64 * 2**20 // resource.getpagesize()

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(64 * mib)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    seen = [faults() for _ in range(8)]  # the first ones find no room between what is held
    assert max(seen[4:]) < pages / 10, seen
    held = psutil.Process().memory_info().rss
    release_memory()
    assert held - psutil.Process().memory_info().rss > 32 * 2**20


def test_plans_get_smaller_to_the_last() -> None:
    plan: MemoryPlan | None = MemoryPlan()
    seen = []
    while plan is not None:
        seen.append((plan.parts, plan.checkpointing, plan.at_once(6)))
        plan = plan.smaller(6)
    assert seen == [(1, False, 6), (2, False, 3), (4, False, 2), (6, False, 1), (6, True, 1)]


def test_on_a_gpu_what_costs_least_time_goes_first() -> None:
    plan: MemoryPlan | None = WHOLE
    seen = []
    while plan is not None:
        seen.append(plan.in_words(2))
        plan = plan.smaller(2, on_gpu=True)
    assert seen == [
        "",
        "text encoders in 16 bits",
        "batches of 2 in 2 parts and text encoders in 16 bits",
        "batches of 2 in 2 parts, gradient checkpointing and text encoders in 16 bits",
    ]


def test_a_plan_is_undone_by_the_next(tmp_path: Path) -> None:
    job, _ = make_job(tmp_path, recipe())
    before = weights_hash(job)  # of fp16 values, as the bundled model's are
    apply_plan(MemoryPlan(checkpointing=True, text_in_16_bits=True), job.model)
    (encoder,) = job.model.text_encoders
    held = {weight.dtype for weight in encoder.parameters()}
    assert (held, job.model.unet.is_gradient_checkpointing) == ({torch.float16, torch.float32}, True)
    apply_plan(WHOLE, job.model)
    assert ({weight.dtype for weight in encoder.parameters()}) == {torch.float32}
    assert not job.model.unet.is_gradient_checkpointing
    assert weights_hash(job) == before


def test_a_checkpoint_of_another_version_with_fewer_ways_or_others_is_read(tmp_path: Path) -> None:
    state = TrainingState.fresh(torch.zeros(1, 4))
    state.save(tmp_path / "state.safetensors")
    content, facts = read_checkpoint(tmp_path / "state.safetensors")
    facts["plan"] = {"parts": 2, "checkpointing": True, "vae_on_host": True}
    tensors = safetensors.torch.load(content)
    write_checkpoint(tmp_path / "state.safetensors", safetensors.torch.save(tensors, {"tinv": json.dumps(facts)}))
    assert TrainingState.load(tmp_path / "state.safetensors", CPU).plan == MemoryPlan(2, checkpointing=True)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
        RuntimeError("GET was unable to find an engine to execute this computation"),
    ],
    ids=str,
)
def test_an_allocators_error_is_told_from_others(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(ValueError("out of memory"))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


def test_an_evaluation_that_lacks_memory_has_first_what_is_spare_and_then_a_smaller_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What steps are played back from may hold all there is."""

    class Held:
        def __init__(self) -> None:
            self.held = True

        def forget(self) -> None:
            self.held = False

    class Warned(Onlooker):
        def took_smaller_plan(self, state: TrainingState, said: str) -> None:
            plans.append(state.plan)

    def loss(*_: Any) -> float:
        if spare.held or is_full:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 0.5

    spare, is_full, plans = Held(), False, list[MemoryPlan]()
    gives_way(spare)
    monkeypatch.setattr(Evaluation, "loss", loss)
    job, state = make_job(tmp_path, recipe(training__steps=1, training__evaluation_samples=1))
    train(job, state, Warned())
    assert (spare.held, plans) == (False, [])
    is_full = True
    job, state = make_job(tmp_path, recipe(training__steps=1, training__evaluation_samples=1))
    with pytest.raises(OutOfMemory):
        train(job, state, Warned())
    assert plans


def test_the_real_allocators_error_is_known_too() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


BLOCK_BYTES = 2**20
LIBRARY_BYTES = 2**27
"""oneDNN writes kernels for the shapes of each plan, and one that it could not write it never writes again."""


class Edge(Reporter):
    """After the first step, fills the memory of its process up to a limit that leaves ``room_bytes``."""

    def __init__(self, folder: RunFolder, status: Status, room_bytes: int | None, library_bytes: int) -> None:
        super().__init__(folder, status)
        self._room_bytes = room_bytes
        self._library_bytes = library_bytes
        self._ballast: list[torch.Tensor] = []
        self.bytes_before = 0

    def update(self, **facts: Any) -> None:
        super().update(**facts)
        if facts.get("phase") == "training" and not self.bytes_before:
            self.bytes_before = psutil.Process().memory_info().vms

    def step(self, result: StepResult, epoch: int, epoch_step: int) -> None:
        super().step(result, epoch, epoch_step)
        if result.step == 1 and self._room_bytes is not None:
            self._limit(0)
            try:
                while True:
                    self._ballast.append(torch.empty(BLOCK_BYTES, dtype=torch.uint8))
            except RuntimeError:
                del self._ballast[-(self._room_bytes // BLOCK_BYTES) :]

    def tell(self, kind: str, **facts: Any) -> None:
        super().tell(kind, **facts)
        if facts.get("code") == "memory-plan":
            self._limit(self._library_bytes)

    def _limit(self, more: int) -> None:
        limit = psutil.Process().memory_info().vms + more
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def session_with(folder: RunFolder, room_bytes: int | None, library_bytes: int = LIBRARY_BYTES) -> tuple[int, int]:
    """The exit code of a session, and by how much its process grew after loading."""
    torch.set_num_threads(1)
    status = Status(name=folder.name, state="starting", phase="loading", pid=os.getpid())
    reporter = Edge(folder, status, room_bytes, library_bytes)
    code = run_session(folder, Signals(), reporter)
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmPeak"))
    return code, int(peak.split()[1]) * 1024 - reporter.bytes_before


def in_a_process(function: Callable[..., Any], *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def large(name: str) -> RunFolder:
    wanted = recipe(
        embedding__name=name,
        training__steps=3,
        training__batch_size=8,
        training__evaluation_samples=0,
        dataset__width=128,
        dataset__height=128,
    )
    return make_run(plan_run(wanted, Path.cwd()))


@pytest.mark.faults
def test_a_run_at_the_allocators_edge_steps_down_and_goes_on(fault: FaultRecord) -> None:
    plenty, tight = large("plenty"), large("tight")
    code, growth = in_a_process(session_with, plenty, None)
    assert code == 0
    assert in_a_process(session_with, tight, int(0.4 * growth))[0] == 0
    told = [e for e in read_all(tight.events) if e["kind"] == "warning" and e["code"] == "memory-plan"]
    assert told[0]["message"] == "out of memory at step 2; from here on: batches of 8 in 2 parts"
    assert "allocate memory" in told[0]["hint"]
    plan = TrainingState.load(tight.state, CPU).plan
    assert told[-1]["message"].endswith(plan.in_words(8))
    rows, wanted = rows_of(Run(tight)), rows_of(Run(plenty))
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    assert [float(row["loss"]) for row in rows] == pytest.approx([float(row["loss"]) for row in wanted], rel=1e-4)
    fault(
        "out of memory at the allocator's edge", steps_lost=0, note="losses equal to 1e-4; design §7: bytes may differ"
    )


@pytest.mark.faults
def test_a_run_that_fits_by_no_plan_ends_with_the_reason_and_its_checkpoint(fault: FaultRecord) -> None:
    hopeless = large("hopeless")
    assert in_a_process(session_with, hopeless, 2**20, 0)[0] == 1
    ended = read_all(hopeless.events)[-1]
    assert (ended["state"], ended["code"], ended["step"]) == ("failed", "memory-out", 1)
    assert "not even picture by picture" in ended["reason"]
    assert TrainingState.load(hopeless.state, CPU).step == 1
    fault("no memory for the smallest plan", steps_lost=0)


def test_a_resumed_run_keeps_its_plan_and_says_so() -> None:
    run = trained(recipe(training__steps=2, training__batch_size=4, training__evaluation_samples=0))
    assert not [e for e in read_all(run.folder.events) if e.get("code") == "memory-plan"]
    state = TrainingState.load(run.folder.state, CPU)
    state.plan = MemoryPlan(4, checkpointing=True)
    state.save(run.folder.state)
    longer = recipe(training__steps=3, training__batch_size=4, training__evaluation_samples=0)
    run.folder.recipe.write_text(to_toml(longer))
    assert train_here(run.folder) == 0
    (told,) = [e for e in read_all(run.folder.events) if e.get("code") == "memory-plan"]
    assert told["message"] == "going on with batches of 4 in 4 parts and gradient checkpointing"
    resumed = TrainingState.load(run.folder.state, CPU)
    assert (resumed.step, resumed.plan) == (3, MemoryPlan(4, checkpointing=True))
