"""Tells the world about a run: events, status and the loss table, none of which may slow the training down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil

from tinv_tui.runs.events import EventWriter
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.losses import LossTable
from tinv_tui.runs.status import Status, write_status
from tinv_tui.worker.pace import Pace

if TYPE_CHECKING:
    from tinv_tui.runs.inbox import Command
    from tinv_tui.training.arriving import StepResult
    from tinv_tui.worker.board import Board

_BEAT_SECONDS = 1.0
_STEP_EVENTS_PER_SECOND = 5.0


class Reporter:
    """Writes the three files. A thread of its own renews the status once a second, training or not."""

    def __init__(self, folder: RunFolder, status: Status) -> None:
        self._folder = folder
        self._events = EventWriter(folder.events)
        self.losses = LossTable(folder.losses)
        self._status = status
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self.pace = Pace()
        self._last_step_event = 0.0
        self._held_back: dict[str, Any] | None = None
        self._process = psutil.Process()
        self._board: Board | None = None
        self.gpu_bytes: Callable[[], int] | None = None
        """Asked for what is held of the GPU, by the status thread; None where training does not run on one."""
        self.is_held_up = False
        """Whether the disk did not take what was told when it was last asked to."""
        self.seconds_left: float | None = None
        """Of the minutes that the recipe gives the run; None where it sets no limit."""
        self._done = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="status", daemon=True)
        self._thread.start()

    def tell(self, kind: str, **fields: Any) -> None:
        """Append an event; where the disk is full it waits for :meth:`flush`."""
        self._events.write(kind, **fields)
        self._on_board(lambda board: board.told(kind, fields))

    def answer(self, command: Command, ok: bool, message: str) -> None:
        """Tell that a command was carried out, or why not. Who reads the status after that finds in it what was done."""
        self._write_status()
        self.tell("ack", id=command.id, command=command.command, ok=ok, message=message)

    def refused(self, what: str) -> None:
        """Warn of a file in the inbox that is not obeyed."""
        self.tell("warning", code="command-refused", message=what, hint="See who else can write to the run's folder.")

    def open_board(self, step: int, prompts: Iterable[str]) -> None:
        """Write for TensorBoard too, from ``step`` on. What goes wrong with that is a warning, never the end of a run."""
        try:
            from tinv_tui.worker.board import Board

            self._board = Board(self._folder.tensorboard, self._folder.losses, step, prompts)
        except Exception as error:  # noqa: BLE001  a broken package, a full disk
            self._lose_board(error)

    def _on_board(self, write: Callable[[Board], None]) -> None:
        if self._board is not None:
            try:
                write(self._board)
            except Exception as error:  # noqa: BLE001  its writer hands on whatever its thread met
                self._lose_board(error)

    def _lose_board(self, error: Exception) -> None:
        self._board = None
        message = f"nothing more is written for TensorBoard: {type(error).__name__}: {error}"
        self._events.write("warning", code="tensorboard-failed", message=message, hint="Training goes on.")

    def update(self, **fields: Any) -> None:
        """Change fields of the status; they are written with the next beat, a new state at once."""
        with self._lock:
            self._status = replace(self._status, **fields)
        if "state" in fields:
            self._wake.set()

    @property
    def status(self) -> Status:
        return self._status

    def step(self, result: StepResult, epoch: int, epoch_step: int) -> None:
        """One finished step: a row of the table, and at most five events a second."""
        step, loss, rate = result.step, result.loss, result.learning_rate
        norm = result.gradient_norm
        self.losses.add(step, epoch, epoch_step, loss, rate)
        self._on_board(lambda board: board.step(step, loss, rate, norm))
        self.update(step=step, loss=loss, learning_rate=rate, epoch=epoch)
        self._held_back = {"step": step, "epoch": epoch, "loss": loss, "learning_rate": rate, "gradient_norm": norm}
        if time.monotonic() - self._last_step_event >= 1 / _STEP_EVENTS_PER_SECOND:
            self.flush_step()

    def flush_step(self) -> None:
        """Tell the newest step now, if it was held back."""
        if self._held_back is not None:
            self._last_step_event = time.monotonic()
            speed, eta = self.pace.steps_per_second, self._eta_seconds()
            self.tell("step", **self._held_back, steps_per_second=speed, eta_seconds=eta)
            self._held_back = None

    def go_back(self, step: int) -> None:
        """Forget what was told of the steps after this one: they are made again. Raises OSError."""
        self._held_back = None
        self.pace.go_back(step)
        self.losses.cut(step)
        self._on_board(lambda board: board.go_back(step))
        self.update(step=step)

    def _eta_seconds(self) -> float | None:
        """Until the last step, or the end of the run's minutes where that comes first."""
        left = self.pace.seconds_left(self._status.steps)
        if left is not None and self.seconds_left is not None:
            left = min(left, self.seconds_left)
        return None if left is None else round(left, 1)

    def tell_end(self, state: str, **fields: Any) -> None:
        """The last word, after the held-back step. Raises OSError; the word waits for :meth:`close` then."""
        with suppress(OSError):
            self.flush_step()
        self._on_board(lambda board: board.close())
        self.tell("ended", state=state, step=self._status.step, **fields)

    def end(self, state: str, *, reason: str, **fields: Any) -> None:
        """The last word, without waiting for room on the disk."""
        self.tell_end(state, reason=reason, **fields)
        self.close(state, reason)

    def close(self, state: str, reason: str) -> None:
        """No more is told; the final status says how the run ended."""
        self._done = True
        self._wake.set()
        self._thread.join()
        try:
            self.flush()
            self._events.close()
        except OSError:
            pass  # a full disk and no time to wait for it: the status may still find room in place of the old one
        self._status = replace(self._status, state=state, reason=reason, phase="", eta_seconds=None)
        self._write_status()

    def flush(self) -> None:
        """All that was told so far, onto the disk. Raises OSError."""
        self.losses.flush()
        self._events.sync()
        self.is_held_up = False

    def _beat(self) -> None:
        while not self._done:
            self._wake.clear()
            try:
                self.flush()
            except OSError:
                self.is_held_up = True  # the rows and events wait for the next beat
            self._write_status()
            self._wake.wait(_BEAT_SECONDS)

    def _write_status(self) -> None:
        with self._writing:  # of two threads neither puts an older status in place of a newer
            with self._lock:
                self._status = replace(
                    self._status,
                    beat=self._status.beat + 1,
                    steps_per_second=self.pace.steps_per_second,
                    eta_seconds=self._eta_seconds() if self._status.phase else None,
                    memory_bytes=self._memory_bytes(),
                    gpu_bytes=self.gpu_bytes() if self.gpu_bytes is not None else None,
                )
                status = self._status
            try:
                write_status(self._folder.status, status)
            except OSError:
                pass  # a full disk must not end the run; the next beat tries again

    def _memory_bytes(self) -> int | None:
        try:
            return int(self._process.memory_info().rss)
        except psutil.Error:
            return None
