"""Carries out the commands left in a run's inbox, each answered by an ``ack``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from tinv_tui.atomic import write_atomic
from tinv_tui.errors import InputError
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.changes import change_live, rates_ahead
from tinv_tui.runs.inbox import Command, take_commands
from tinv_tui.runs.plan import check_changes
from tinv_tui.training.state import TrainingState
from tinv_tui.worker.keeping import Keeper
from tinv_tui.worker.picturing import Previewer
from tinv_tui.worker.setup import schedules
from tinv_tui.worker.signals import Signals
from tinv_tui.worker.work import Work

_INBOX_SECONDS = 0.1


class CommandDesk:
    """Takes commands and signals; remembers whether the run is paused or is to stop.

    A pause that is ``released`` is a stop without a result, after which the run is not over.
    """

    def __init__(self, work: Work, keeper: Keeper, signals: Signals, waiting: Sequence[Command] = ()) -> None:
        """``waiting`` are commands that came before the first step."""
        self._work = work
        self._keeper = keeper
        self._signals = signals
        self._previewer = Previewer(work, keeper, self._is_interrupted)
        work.room.must_stop = self._is_interrupted
        self._commands = list(waiting)
        self._looked = 0.0
        self.is_paused = False
        self.is_stopped = False
        self.is_released = False
        self.wants_result = True
        self._has_new_job = False

    @property
    def previewer(self) -> Previewer:
        return self._previewer

    @property
    def is_waiting(self) -> bool:
        """Whether the loop has to wait: a pause holds, or there are commands to carry out."""
        return not self.is_stopped and (self.is_paused or bool(self._commands))

    @property
    def has_new_job(self) -> bool:
        """Whether the loop has to be left, to be entered with another job."""
        return self._has_new_job

    def takes_up_job(self) -> bool:
        """Whether the run goes on with the job that a command has changed; asked once after the loop was left."""
        changed, self._has_new_job = self._has_new_job, False
        return changed and not self.is_stopped

    def _look(self) -> None:
        """Take new commands out of the inbox, at most ten times a second: a step may be much shorter."""
        if time.monotonic() - self._looked >= _INBOX_SECONDS:
            self._looked = time.monotonic()
            self._commands += take_commands(self._work.folder.inbox, self._work.reporter.refused)

    def dismiss(self, message: str) -> None:
        """Answer what still waits when the run ends in another way: a stop is heard, the rest comes too late."""
        while self._commands:
            command = self._commands.pop(0)
            ok = command.command == "stop"
            self._work.reporter.answer(command, ok, message)

    def _is_interrupted(self) -> bool:
        self._look()
        told = self._signals.stop.is_set() or any(c.command == "stop" for c in self._commands)
        return told or (self.is_stopped and not self.is_released)

    def obey(self, state: TrainingState, last_prompt: str) -> None:
        """Carry out what has come in, oldest first."""
        if self._signals.stop.is_set():
            self.is_stopped = True
            return
        if self._signals.save.is_set():
            self._keeper.save_copy(state)
            self._keeper.save_checkpoint(state)
            self._signals.save.clear()
        self._look()
        while self._commands and not self.is_stopped:
            command = self._commands[0]  # taken off when it is done: it waits where the state is bad, or the disk full
            try:
                message = self._carry_out(command, state, last_prompt)
                ok = True
            except InputError as error:
                message, ok = f"{error.message}. {error.hint}".strip(), False
            except (OSError, ValueError) as error:
                message, ok = str(error), False
            self._commands.pop(0)
            self._work.reporter.answer(command, ok, message)

    def _carry_out(self, command: Command, state: TrainingState, last_prompt: str) -> str:
        """Do one command; what was done, in words. Raises InputError, OSError or ValueError with the reason it was not."""
        steps = self._work.job.recipe.training.steps
        match command.command:
            case "stop":
                self.is_stopped = True
                self.wants_result = command.args.get("save", True) is not False
                return f"stopping at step {state.step}" + ("" if self.wants_result else " without saving a result")
            case "pause" if command.args.get("release"):
                if state.step >= steps:
                    raise ValueError("the last step is done: it ends now")
                self.is_stopped = self.is_released = True
                self.wants_result = False
                return f"paused at step {state.step}; its worker ends and gives the memory back"
            case "pause":
                self.is_paused = True
                self._work.reporter.flush_step()
                self._keeper.save_checkpoint(state)
                self._work.reporter.update(state="paused")
                return f"paused at step {state.step}"
            case "unpause":
                was_paused, self.is_paused = self.is_paused, False
                self._work.reporter.update(state="running")
                return f"going on from step {state.step}" if was_paused else "it was not paused"
            case "save":
                self._keeper.save_copy(state)
                self._keeper.save_checkpoint(state)
                return f"saved step {state.step} of {steps}"
            case "preview":
                prompt = command.args.get("prompt")
                texts = [str(prompt)] if prompt else self._previewer.prompts(last_prompt)
                failure = self._previewer.draw(state, texts)
                if failure:
                    raise ValueError(failure)
                return f"drew step {state.step}"
            case "set":
                return self._change(str(command.args.get("key", "")), command.args.get("value", ""), state)
            case unknown:
                raise ValueError(f"there is no command {unknown!r}")

    def _change(self, key: str, value: object, state: TrainingState) -> str:
        """Change one setting from the next step on; the loop then has to be entered anew. Raises InputError or OSError.

        The checkpoint comes first: a resume from it goes on as this run does, whichever of the two its recipe says.
        """
        work = self._work
        recipe, change = change_live(work.job.recipe, key, value, state.step)
        if change is None:
            return f"{key} is so already"
        check_changes(recipe, work.folder.path)
        self._keeper.save_checkpoint(state)
        work.room.write(work.folder.recipe, lambda: write_atomic(work.folder.recipe, to_toml(recipe)))
        rates, clips = schedules(recipe)
        work.job = replace(work.job, recipe=recipe, rates=rates, clips=clips)
        self._has_new_job = True
        _, old, new = change
        work.reporter.update(steps=recipe.training.steps)
        work.reporter.tell("changed", key=key, old=old, new=new, step=state.step)
        said = f"{key} {old} → {new} after step {state.step}"
        if key == "training.learning_rate":
            ahead, warning = rates_ahead(recipe, state.step)
            said += f": {ahead}" if "," in new else ""  # its counts may lie behind
            said += f"; {warning}" if warning else ""
        return said
