"""The tabs of the folded workbench, and at their end the run that is watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.strip import Strip

from tinv_tui.app.keys import bindings_of
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.wording import Piece

TABS = {"form": "Form", "dataset": "Dataset", "loss": "Loss", "gpu": "GPU", "log": "Log"}


class TabLine(Lines):
    """Left and right open the neighbouring tab."""

    can_focus = True
    DEFAULT_CSS = "TabLine { height: 1; display: none; }"
    BINDINGS: ClassVar[list[BindingType]] = bindings_of("tabs")

    @dataclass
    class Chosen(Message):
        tab: str

    def __init__(self) -> None:
        super().__init__(id="tab-line")
        self._tab = "form"
        self._right: tuple[Piece, ...] = ()

    def tell(self, tab: str, *right: Piece) -> None:
        self._tab, self._right = tab, right
        self._rebuild()

    def on_resize(self) -> None:
        self._rebuild()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        left = 1
        for tab, label in TABS.items():
            left += len(label) + 4
            if event.x < left:
                self.post_message(self.Chosen(tab))
                return

    def action_step(self, by: int) -> None:
        tabs = list(TABS)
        self.post_message(self.Chosen(tabs[(tabs.index(self._tab) + by) % len(tabs)]))

    def _rebuild(self) -> None:
        left: list[Piece] = [(" ", "")]
        for tab, label in TABS.items():
            left.append((f"[ {label} ]", "accent") if tab == self._tab else (f"  {label}  ", "label"))
        used = sum(len(text) for text, _ in (*left, *self._right))
        gap = " " * max(1, self.size.width - used - 1)
        self.show([(*left, (gap, ""), *self._right)])

    def render_line(self, y: int) -> Strip:
        return self.strip(self.lines[0] if self.lines else (), under="cursor" if self.has_focus else "")
