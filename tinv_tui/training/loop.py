"""The training loop, top to bottom.

One step is one optimiser update of the vectors; everything else in the model is frozen. What a step sees is a function
of (seed, step, sample) alone, so a run can be stopped, resumed, paused or looked at anywhere without changing it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from tinv_tui.models.loading import LoadedModel
from tinv_tui.recipe import Recipe
from tinv_tui.schedule import Plan
from tinv_tui.training.batches import Batches, loss_of
from tinv_tui.training.evaluation import Evaluation, evaluation_interval
from tinv_tui.training.guard import Guard, NotFinite
from tinv_tui.training.latents import LatentStore
from tinv_tui.training.memory_plan import MemoryPlan, OutOfMemory, is_out_of_memory, release_memory
from tinv_tui.training.norms import NormRange
from tinv_tui.training.prompts import PromptBook
from tinv_tui.training.state import TrainingState
from tinv_tui.training.vectors import SplicingEncoder

Found = TypeVar("Found")
FP16_LOSS_SCALE = 4096.0
"""fp16 gradients of the vectors are too small to be held without it."""


@dataclass(frozen=True)
class StepResult:
    """What is known of a finished step. ``first_prompt`` is the step's own training prompt, with ``[name]`` in it."""

    step: int
    loss: float
    learning_rate: float
    first_prompt: str
    gradient: float
    """The largest number of the gradient, after clipping; the sign left out."""
    change: float
    """The largest number of what the step added to the vectors; the sign left out."""


class Attendant(Protocol):
    """Who looks after the loop: hears what happened, and says when to go on."""

    def stepped(self, result: StepResult) -> None:
        """A step's result has arrived, at most two steps late."""

    def evaluated(self, state: TrainingState, loss: float, is_best: bool) -> None:
        """The evaluation loss of the state as it is now."""

    def went_back(self, state: TrainingState, trouble: NotFinite) -> None:
        """The steps after the state's are made again, at half the rate: something of them was not finite."""

    def took_smaller_plan(self, state: TrainingState, reason: str) -> None:
        """There was not enough memory for the step after the state's; it is made by the state's plan, as all that follow."""

    def goes_on(self, state: TrainingState, last_prompt: str, settle: Callable[[], None]) -> bool:
        """Called after each step: save, draw, wait, as needed. False ends the loop.

        ``settle`` waits for the results still on their way and hands them to :meth:`stepped`; to be called before the
        state is saved, so that what is saved is known to be finite and every step up to it is told. Raises NotFinite.
        """


@dataclass(frozen=True)
class Job:
    """All that a run is made of, ready to train."""

    recipe: Recipe
    model: LoadedModel
    encoder: SplicingEncoder
    latents: LatentStore
    prompts: PromptBook
    rates: Plan
    clips: Plan
    seed: int


def rate_of(job: Job, state: TrainingState, step: int | None = None) -> float:
    """The learning rate of a step, by default that of the state's last one."""
    return job.rates.rate_at(max(1, state.step if step is None else step)) * state.rate_factor


def steps_ahead(device: torch.device) -> int:
    """How many steps the host may run ahead of the device before it waits; a CPU has nothing to run ahead of."""
    return 2 if device.type == "cuda" else 0


def train(job: Job, state: TrainingState, attendant: Attendant) -> None:
    """Train ``state`` in place up to the recipe's last step, or until the attendant says stop.

    What is not finite takes it back to the last good state, to go on at half the rate; what does not fit into memory is
    computed by a smaller plan. Raises NotFinite or OutOfMemory where that does not help; the state is a good one then too.
    """
    state.follow(job.recipe.training.learning_rate)
    guard = Guard(state, steps_ahead(job.model.device))
    while True:
        try:
            _train(job, state, attendant, guard)
            return
        except NotFinite as trouble:
            guard.go_back(state, trouble)
            attendant.went_back(state, trouble)


def _train(job: Job, state: TrainingState, attendant: Attendant, guard: Guard) -> None:
    settings, model = job.recipe.training, job.model
    batches = Batches(job.recipe, model, job.latents, job.prompts, job.seed)
    scale = FP16_LOSS_SCALE * state.rate_factor if model.dtype == torch.float16 else 1.0

    vectors = torch.nn.Parameter(state.vectors)
    state.vectors = vectors.data
    state.plan.apply(model.unet)
    optimizer = _optimizer(vectors, state)
    caps = NormRange(model) if settings.cap_norm else None
    every = evaluation_interval(settings.evaluation_samples, job.recipe.samples_per_step)
    evaluation = Evaluation(settings.evaluation_samples, job.latents, job.prompts, model, job.seed) if every else None
    if evaluation is not None and state.step == 0:
        _evaluate(evaluation, job, state, attendant)

    arriving = deque[_Arriving]()

    def settle(leave: int = 0) -> None:
        while len(arriving) > leave:
            arriving.popleft().report(attendant)

    for step in range(state.step + 1, settings.steps + 1):
        held = guard.hold(state)
        rate = rate_of(job, state, step)
        optimizer.param_groups[0]["lr"] = rate
        gradient = partial(_gradient, job, batches, step, vectors, scale)
        loss, first_prompt = _within_memory(job, state, attendant, gradient)

        assert vectors.grad is not None
        if scale != 1.0:
            vectors.grad.div_(scale)
        if settings.clip == "value":
            torch.nn.utils.clip_grad_value_([vectors], job.clips.rate_at(step))
        elif settings.clip == "norm":
            torch.nn.utils.clip_grad_norm_([vectors], job.clips.rate_at(step))
        gradient_size = vectors.grad.abs().max()
        optimizer.step()
        if caps is not None:
            caps.cap(vectors)
        measured = torch.stack([loss, gradient_size, (vectors.detach() - held.vectors).abs().max()])
        state.step, state.before = step, held

        arriving.append(_Arriving(step, measured, rate, first_prompt))
        settle(steps_ahead(model.device))
        if evaluation is not None and (step % every == 0 or step == settings.steps):
            settle()
            _evaluate(evaluation, job, state, attendant)
        if not attendant.goes_on(state, first_prompt, settle):
            break
    settle()
    if not state.is_finite:
        raise NotFinite(state.step, rate_of(job, state), "the update", suspect=state.step)


def _gradient(
    job: Job, batches: Batches, step: int, vectors: torch.nn.Parameter, scale: float, plan: MemoryPlan
) -> tuple[Tensor, str]:
    """Give the vectors the gradient of a step's loss, times ``scale``; the loss, and the step's first prompt."""
    vectors.grad = None
    turns, total, first_prompt = job.recipe.training.gradient_accumulation, torch.zeros((), device=vectors.device), ""
    for turn in range(turns):
        batch = batches.draw(step, turn)
        first_prompt = first_prompt or batch.first_prompt
        for part in batch.parts(plan.parts):
            loss = loss_of(job.model, job.encoder, part, vectors) * (part.share / turns)
            (loss * scale).backward()
            total += loss.detach()
    return total, first_prompt


def _within_memory(
    job: Job, state: TrainingState, attendant: Attendant, compute: Callable[[MemoryPlan], Found]
) -> Found:
    """What ``compute`` finds by the state's plan, or by the next smaller one where memory does not do. Raises OutOfMemory."""
    while True:
        try:
            return compute(state.plan)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            said = str(error).partition("\n")[0] or type(error).__name__
        release_memory()  # only here: the error held on to all that was computed so far
        smaller = state.plan.smaller(job.recipe.training.batch_size)
        if smaller is None:
            raise OutOfMemory(f"step {state.step + 1} does not fit into memory, not even picture by picture: {said}")
        state.plan = smaller
        state.plan.apply(job.model.unet)
        attendant.took_smaller_plan(state, said)


def _optimizer(vectors: torch.nn.Parameter, state: TrainingState) -> torch.optim.AdamW:
    """AdamW without weight decay, its moments those of the state, which it updates in place."""
    optimizer = torch.optim.AdamW([vectors], lr=1.0, weight_decay=0.0)
    optimizer.state[vectors] = {
        "step": torch.tensor(float(state.step)),
        "exp_avg": state.moment1,
        "exp_avg_sq": state.moment2,
    }
    return optimizer


def _evaluate(evaluation: Evaluation, job: Job, state: TrainingState, attendant: Attendant) -> None:
    batch = job.recipe.training.batch_size

    def evaluate(plan: MemoryPlan) -> float:
        return evaluation.loss(job.encoder, state.vectors, plan.at_once(batch))

    loss = _within_memory(job, state, attendant, evaluate)
    if not np.isfinite(loss):
        raise NotFinite(state.step, rate_of(job, state), "the evaluation loss", suspect=state.step)
    is_best = state.best_evaluation is None or loss < state.best_evaluation
    if is_best:
        state.best_evaluation, state.best_step = loss, state.step
        state.best_vectors = state.vectors.detach().clone()
    attendant.evaluated(state, loss, is_best)


@dataclass(frozen=True)
class _Arriving:
    """A step's result, on its way from the device. ``measured`` [3]: loss, gradient and change, as a StepResult has them."""

    step: int
    measured: Tensor
    learning_rate: float
    first_prompt: str

    def report(self, attendant: Attendant) -> None:
        """Wait for it and hand it on. Raises NotFinite."""
        loss, gradient, change = self.measured.tolist()
        if not np.isfinite(loss) or not np.isfinite(gradient):
            what = "the gradient" if np.isfinite(loss) else "the loss"
            raise NotFinite(self.step, self.learning_rate, what, suspect=self.step - 1)
        attendant.stepped(StepResult(self.step, loss, self.learning_rate, self.first_prompt, gradient, change))
