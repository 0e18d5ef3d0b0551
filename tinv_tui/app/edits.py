"""What a form has said one after the other, to go back and forth in."""

from __future__ import annotations

from dataclasses import dataclass

from tinv_tui.recipe import Recipe

_MOST = 200


@dataclass(frozen=True)
class Filled:
    """All that a form says: its texts, over the recipe that says what it has no field for."""

    base: Recipe
    texts: dict[str, str]


class Edits:
    """The last so many states of a form. What is typed into one field without leaving it is a single edit."""

    def __init__(self) -> None:
        self._past: list[Filled] = []
        self._future: list[Filled] = []
        self._typed_in = ""

    def keep(self, now: Filled, typed_in: str = "") -> None:
        """Call after each change; ``typed_in`` names the field where it was typed, if it was."""
        if self._past and now == self._past[-1]:
            return
        if typed_in and typed_in == self._typed_in and len(self._past) > 1:
            self._past[-1] = now
        else:
            self._past = [*self._past, now][-_MOST:]
        self._typed_in = typed_in
        self._future.clear()

    def leave_field(self) -> None:
        """What is typed from here on is another edit."""
        self._typed_in = ""

    def undo(self) -> Filled | None:
        """What the form said before the last edit; None when there was none."""
        self.leave_field()
        if len(self._past) < 2:
            return None
        self._future.append(self._past.pop())
        return self._past[-1]

    def redo(self) -> Filled | None:
        """What the last undo took back; None when there was none, or something else was edited since."""
        self.leave_field()
        if not self._future:
            return None
        self._past.append(self._future.pop())
        return self._past[-1]
