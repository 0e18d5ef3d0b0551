"""Messages that cross screens; one that only a single widget sends is nested in that widget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from tinv_tui.app.machine import MachineNow
    from tinv_tui.app.watcher import RunNow


@dataclass
class RunLooked(Message):
    """The attached run has been looked at; None when there is none any more."""

    now: RunNow | None

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, RunLooked)


@dataclass
class WorkFailed(Message):
    """Something in the background went wrong in a way that nobody foresaw."""

    error: Exception


@dataclass
class MachineLooked(Message):
    now: MachineNow

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, MachineLooked)
