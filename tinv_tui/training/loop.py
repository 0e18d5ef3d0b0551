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

from tinv_tui.allocator import hold_freed
from tinv_tui.models.loading import LoadedModel
from tinv_tui.models.memory_plan import MemoryPlan
from tinv_tui.recipe import Recipe
from tinv_tui.schedule import Plan
from tinv_tui.training import loss_scale
from tinv_tui.training.arriving import Arriving, StepResult
from tinv_tui.training.batches import Batches
from tinv_tui.training.evaluation import Evaluation, evaluation_interval
from tinv_tui.training.graphs import CudaRecorder, Graphs
from tinv_tui.training.guard import Guard, NotFinite
from tinv_tui.training.latents import LatentStore
from tinv_tui.training.memory import OutOfMemory, apply_plan, is_out_of_memory, release_memory, with_what_is_spare
from tinv_tui.training.prompts import PromptBook
from tinv_tui.training.state import TrainingState
from tinv_tui.training.tape import TapeRecorder
from tinv_tui.training.update import Update
from tinv_tui.training.vectors import SplicingEncoder

Found = TypeVar("Found")


class Attendant(Protocol):
    """Who looks after the loop: hears what happened, and says when to go on."""

    def stepped(self, result: StepResult) -> None:
        """A step's result has arrived, at most two steps late."""

    def evaluated(self, state: TrainingState, loss: float, is_best: bool) -> None:
        """The evaluation loss of the state as it is now."""

    def went_back(self, state: TrainingState, trouble: NotFinite) -> None:
        """The steps after the state's are made again, at half the rate: something of them was not finite."""

    def lowered_loss_scale(self, state: TrainingState) -> None:
        """The steps after the state's are made again: an fp16 gradient overflowed, and the loss is scaled less."""

    def took_smaller_plan(self, state: TrainingState, reason: str) -> None:
        """There was not enough memory for the step after the state's; it is made by the state's plan, as all that follow."""

    def noted(self, message: str) -> None:
        """Something about how steps are computed that is worth a line of the log."""

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
    guard, graphs = Guard(state, steps_ahead(job.model.device)), _graphs(job, attendant)
    while True:
        try:
            _train(job, state, attendant, guard, graphs)
            return
        except NotFinite as trouble:
            if guard.go_back(state, trouble):
                attendant.went_back(state, trouble)
            else:
                attendant.lowered_loss_scale(state)


def _train(job: Job, state: TrainingState, attendant: Attendant, guard: Guard, graphs: Graphs | None) -> None:
    settings, model = job.recipe.training, job.model
    batches = Batches(job.recipe, model, job.latents, job.prompts, job.seed)
    update = Update(job, state, graphs)
    apply_plan(state.plan, model)
    every = evaluation_interval(settings.evaluation_samples, job.recipe.samples_per_step)
    evaluation = Evaluation(settings.evaluation_samples, job.latents, job.prompts, model, job.seed) if every else None
    if evaluation is not None and state.step == 0:
        _evaluate(evaluation, job, state, attendant, graphs)

    arriving = deque[Arriving]()

    def settle(leave: int = 0) -> None:
        while len(arriving) > leave:
            attendant.stepped(arriving.popleft().result())

    for step in range(state.step + 1, settings.steps + 1):
        loss_scale.settle(state, model.dtype)
        held = guard.hold(state)
        rate = rate_of(job, state, step)
        add_gradient = partial(_add_gradient, job, state, batches, step, update)
        first_prompt = _within_memory(job, state, attendant, graphs, add_gradient)
        measured = update.finish(rate, job.clips.rate_at(step))
        state.step, state.before = step, held
        if model.device.type == "cpu":
            hold_freed()

        arriving.append(Arriving(step, measured, rate, first_prompt))
        settle(steps_ahead(model.device))
        if evaluation is not None and (step % every == 0 or step == settings.steps):
            settle()
            _evaluate(evaluation, job, state, attendant, graphs)
        if not attendant.goes_on(state, first_prompt, settle):
            break
    settle()
    if not state.is_finite:
        raise NotFinite(state.step, rate_of(job, state), "the update", suspect=state.step)


def _add_gradient(job: Job, state: TrainingState, batches: Batches, step: int, update: Update, plan: MemoryPlan) -> str:
    """Give the update the gradient of a step's loss; the step's first prompt."""
    update.begin(state.loss_scale)
    turns, first_prompt = job.recipe.training.gradient_accumulation, ""
    for turn in range(turns):
        batch = batches.draw(step, turn)
        first_prompt = first_prompt or batch.first_prompt
        for part in batch.parts(plan.parts):
            update.add(part, part.share / turns)
    return first_prompt


def _graphs(job: Job, attendant: Attendant) -> Graphs | None:
    """What plays steps back, unless the recipe wants each computed as it comes, or by a compiler."""
    model, acceleration = job.model, job.recipe.training.acceleration
    if model.device.type == "cuda" and acceleration != "eager":
        return Graphs(CudaRecorder(model.device), attendant.noted)
    if model.device.type == "cpu" and acceleration == "auto":
        return Graphs(TapeRecorder(), attendant.noted)
    return None


def _within_memory(
    job: Job, state: TrainingState, attendant: Attendant, graphs: Graphs | None, compute: Callable[[MemoryPlan], Found]
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
        on_gpu = job.model.device.type == "cuda"
        smaller = state.plan.smaller(job.recipe.training.batch_size, on_gpu=on_gpu)
        if smaller is None and graphs is not None and graphs.give_up("they take memory that there is not"):
            continue
        if smaller is None:
            raise OutOfMemory(f"step {state.step + 1} does not fit into memory, not even picture by picture: {said}")
        state.plan = smaller
        apply_plan(smaller, job.model)
        attendant.took_smaller_plan(state, said)


def _evaluate(
    evaluation: Evaluation, job: Job, state: TrainingState, attendant: Attendant, graphs: Graphs | None
) -> None:
    batch = job.recipe.training.batch_size

    def evaluate(plan: MemoryPlan) -> float:
        # What steps are played back from may hold all the memory there is; that they need it is no reason for a smaller plan.
        return with_what_is_spare(lambda: evaluation.loss(job.encoder, state.vectors, plan.at_once(batch)))

    loss = _within_memory(job, state, attendant, graphs, evaluate)
    if not np.isfinite(loss):
        raise NotFinite(state.step, rate_of(job, state), "the evaluation loss", suspect=state.step)
    is_best = state.best_evaluation is None or loss < state.best_evaluation
    if is_best:
        state.best_evaluation, state.best_step = loss, state.step
        state.best_vectors = state.vectors.detach().clone()
    attendant.evaluated(state, loss, is_best)
