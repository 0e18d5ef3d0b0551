"""What every dialog is built on."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.reactive import Reactive
from textual.screen import ModalScreen
from textual.widget import Widget

from tinv_tui.app.roles import ROLES
from tinv_tui.app.screens.least_size import HiddenWhereTiny

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer], HiddenWhereTiny):
    """Lies over a screen until it is answered. Where there is no room the line of the screen below shows through."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(ROLES)
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    """As Textual has it, but that a move of the focus draws what has changed, not the whole screen: 11 KB at 80×24."""

    def action_help(self, name: str) -> None:
        """What the dialog of that name in the table of keys is for, and its keys."""
        from tinv_tui.app.screens.help import help_in_dialog

        self.app.push_screen(help_in_dialog(name))
