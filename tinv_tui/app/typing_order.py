"""One key after the other: what a key did, a focus it moved say, is done before the next one is looked at.

Textual hands keys on as fast as they come, all to what has the focus just then. Of ``/rate``, which a slow link may
deliver at once, the letters would be keys of the pane in which the slash was pressed.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TypeVar

from textual.app import App
from textual.events import Event, Key, Paste
from textual.message import Message
from textual.timer import Timer

_Result = TypeVar("_Result")
_LONGEST_SECONDS = 0.5
"""After that the next key has its turn, whatever became of the last one."""


class KeyDone(Message, verbose=True):
    """Goes the way of a key right behind it: where this arrives, the key has been."""

    def __init__(self, turn: int) -> None:
        super().__init__()
        self.turn = turn


class KeysInOrder(App[_Result]):
    """An app in which keys, and text that is pasted, wait until what came before them is done."""

    def __init__(self) -> None:
        super().__init__()
        self._typed = deque[Key | Paste]()
        self._turn = 0
        self._taken: Timer | None = None

    async def on_event(self, event: Event) -> None:
        if not isinstance(event, (Key, Paste)) or event.is_forwarded:
            await super().on_event(event)
            return
        self._typed.append(event)
        if self._taken is None:
            await self._take_turns()

    async def _take_turns(self) -> None:
        while self._typed:
            event = self._typed.popleft()
            target = self.focused or self.screen
            await super().on_event(event)
            if event.is_forwarded and target.post_message(KeyDone(self._turn)):
                self._taken = self.set_timer(_LONGEST_SECONDS, partial(self._next_turn, self._turn))
                return

    def on_key_done(self, event: KeyDone) -> None:
        self.call_later(self._next_turn, event.turn)  # behind what the key has asked for, a change of focus too

    async def _next_turn(self, turn: int) -> None:
        if turn != self._turn or self._taken is None:
            return  # the timer and the key's own word may both come
        self._turn += 1
        self._taken.stop()
        self._taken = None
        await self._take_turns()
