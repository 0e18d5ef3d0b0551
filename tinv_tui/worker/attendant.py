"""Looks after the loop between steps: what was asked for every so often, commands, pauses."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from tinv_tui.training.arriving import StepResult
from tinv_tui.training.evaluation import evaluation_interval
from tinv_tui.training.guard import MOST_TIMES, NotFinite
from tinv_tui.training.loop import rate_of
from tinv_tui.training.norms import NormRange
from tinv_tui.training.state import TrainingState
from tinv_tui.training.stillness import Stillness
from tinv_tui.worker.keeping import Keeper
from tinv_tui.worker.obeying import CommandDesk
from tinv_tui.worker.work import Work

_PAUSE_POLL_SECONDS = 0.1
_LONGER = 1.001
"""Than the vocabulary's longest: rounding is no excess."""


class RunAttendant:
    """Does for the loop all that has to do with the run folder."""

    def __init__(self, work: Work, keeper: Keeper, desk: CommandDesk) -> None:
        self._work = work
        self._keeper = keeper
        self._desk = desk
        self._steps_per_epoch = work.job.recipe.steps_per_epoch(work.pictures)
        self._left = time.monotonic()
        self._counted = time.monotonic()
        self._arrived: float | None = None  # when the newest result did; an evaluation begins right after one
        self._evaluation_seconds = 0.0
        self._range = NormRange(work.job.model)
        self._is_too_long = False
        self._expected = work.expected
        self._noted = set[str]()
        self._stillness = Stillness()

    def begin(self) -> None:
        """Called when the first step is about to start."""
        self._left = self._counted = time.monotonic()
        self._keeper.begin()
        if self._expected is not None:
            self._expected.begin()

    def is_time_over(self, state: TrainingState) -> bool:
        """Whether the run has had the minutes that its recipe gives it."""
        minutes = self._work.job.recipe.training.minutes
        return bool(minutes) and state.seconds >= minutes * 60

    def stepped(self, result: StepResult) -> None:
        self._arrived = time.monotonic()
        epoch, epoch_step = divmod(result.step - 1, self._steps_per_epoch)
        self._keeper.smoothed.add(result.loss)
        self._work.reporter.step(result, epoch, epoch_step)
        still = self._stillness.seen(result.gradient, result.change)
        if still is not None:
            self._work.warn("not-learning", *still)
        if self._expected is not None:
            message, held = self._expected.beside_the_first_step()
            self._work.reporter.tell("note", message=message, held_bytes=held, **self._expected.facts())
            self._expected = None

    def evaluated(self, state: TrainingState, loss: float, is_best: bool) -> None:
        if self._arrived is not None:
            self._evaluation_seconds = time.monotonic() - self._arrived
            self._work.reporter.pace.spent("evaluation", self._evaluation_seconds)
        step, norms = state.step, [round(norm, 4) for norm in self._range.norms(state.vectors)]
        self._work.reporter.tell("evaluation", step=step, loss=loss, best=is_best, norms=norms)
        best = {"best_step": step} if is_best else {}
        self._work.reporter.update(evaluation=loss, **best)
        self._look_at_norms(state)

    def went_back(self, state: TrainingState, trouble: NotFinite) -> None:
        self._return_to(state)
        rate, reporter = rate_of(self._work.job, state, trouble.suspect), self._work.reporter
        message = f"{trouble}: back to step {state.step}, and on from there at half the rate"
        hint = f"The run ends if that does not help {MOST_TIMES} times."
        reporter.tell("warning", code="rolled-back", message=message, hint=hint, step=state.step)
        reporter.tell("changed", key="learning_rate", old=2 * rate, new=rate, step=state.step)

    def lowered_loss_scale(self, state: TrainingState) -> None:
        self._return_to(state)
        self.noted(f"an fp16 gradient overflowed: on from step {state.step} at a loss scale of {state.loss_scale:g}")

    def took_smaller_plan(self, state: TrainingState, reason: str) -> None:
        if self._expected is not None:
            self._expected = replace(self._expected, plan=state.plan)
            self._expected.begin()
        words = state.plan.in_words(self._work.job.recipe.training.batch_size)
        message = f"out of memory at step {state.step + 1}; from here on: {words}"
        hint = f"The same samples and draws, more slowly; the last digits may differ. It was: {reason}"
        self._work.warn("memory-plan", message, hint)

    def noted(self, message: str) -> None:
        if message not in self._noted:  # the loop is entered anew at each live change
            self._noted.add(message)
            self._work.reporter.tell("note", message=message)

    def goes_on(self, state: TrainingState, last_prompt: str, settle: Callable[[], None]) -> bool:
        self._keeper.settle = settle
        pace = self._work.reporter.pace
        pace.expect("preview", self._desk.previewer.worth)
        pace.stepped(state.step, time.monotonic() - self._left - self._evaluation_seconds, self._intervals())
        self._evaluation_seconds = 0.0
        self._work.room.look()
        self._count(state)
        self._save_what_is_due(state)
        desk, saving = self._desk, self._work.job.recipe.saving
        desk.obey(state, last_prompt)
        if saving.image_every and state.step % saving.image_every == 0 and not desk.is_stopped:
            with pace.doing("preview"):
                desk.previewer.draw(state, desk.previewer.prompts(last_prompt))
            desk.obey(state, last_prompt)  # a stop that cut the drawing short costs no further step
        while desk.is_waiting:
            desk.obey(state, last_prompt)
            if desk.is_paused:
                time.sleep(_PAUSE_POLL_SECONDS)
                self._counted = time.monotonic()
        self._left = time.monotonic()
        return not (desk.is_stopped or desk.has_new_job or self.is_time_over(state))

    def _return_to(self, state: TrainingState) -> None:
        self._keeper.go_back(state)
        best = state.best_step if state.best_evaluation is not None else None
        self._work.reporter.update(best_step=best, evaluation=state.best_evaluation)
        self._left, self._arrived, self._evaluation_seconds = time.monotonic(), None, 0.0

    def _intervals(self) -> dict[str, int]:
        """After how many steps what comes between them comes again; 0 for never."""
        recipe = self._work.job.recipe
        return {
            "evaluation": evaluation_interval(recipe.training.evaluation_samples, recipe.samples_per_step),
            "preview": recipe.saving.image_every,
            "copy": recipe.saving.embedding_every,
        }

    def _count(self, state: TrainingState) -> None:
        now = time.monotonic()
        state.seconds += now - self._counted
        self._counted = now
        minutes = self._work.job.recipe.training.minutes
        self._work.reporter.seconds_left = max(0.0, minutes * 60 - state.seconds) if minutes else None

    def _look_at_norms(self, state: TrainingState) -> None:
        excess = self._range.excess(state.vectors)
        if excess > _LONGER and not self._is_too_long:
            message = (
                f"at step {state.step} a vector is longer than any of the vocabulary, {excess:.2f} times the longest"
            )
            hint = "It may drown the rest of a prompt: lower the rate, or: tinv-tui set"
            self._work.warn("norm-large", message, f"{hint} {self._work.folder.handle} training.cap_norm=true")
        self._is_too_long = excess > _LONGER

    def _save_what_is_due(self, state: TrainingState) -> None:
        recipe = self._work.job.recipe
        is_copy = recipe.saving.embedding_every and state.step % recipe.saving.embedding_every == 0
        if is_copy:
            with self._work.reporter.pace.doing("copy"):
                self._keeper.save_copy(state)
                self._keeper.save_checkpoint(state)
        elif state.step == recipe.training.steps or self._keeper.is_due:
            self._keeper.save_checkpoint(state)
        else:
            return
        self._look_at_norms(state)
