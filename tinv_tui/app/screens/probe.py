"""Measures a recipe's speed and memory with a few real training steps."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static
from textual.worker import Worker

from tinv_tui.app.background import in_background
from tinv_tui.app.keys import bindings_of, hint
from tinv_tui.app.screens.dialog import Dialog
from tinv_tui.app.widgets.dialog_keys import DialogKeys
from tinv_tui.errors import InputError
from tinv_tui.recipe import Recipe
from tinv_tui.runs.estimates import Probe
from tinv_tui.runs.jobs import JobBroken, Progress, run_job

_ABOUT = (
    "The model is loaded, one or two pictures are encoded, and a few steps are trained. Nothing of it is kept; a run that "
    "is alive on this machine slows both down."
)


class ProbeScreen(Dialog[Probe | None]):
    """Answers with what was measured, or None."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("probe")

    def __init__(self, recipe: Recipe) -> None:
        """``recipe`` is resolved: its paths are absolute."""
        super().__init__()
        self._recipe = recipe
        self._measuring: Worker[None] | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static("Probe speed and memory", classes="dialog-title", markup=False)
            yield Static(_ABOUT, classes="dialog-text", markup=False)
            yield Static("", id="probe-words", markup=False)
            yield DialogKeys(hint("probe.measure"), hint("probe.leave"))

    def action_measure(self) -> None:
        if self._measuring is None or self._measuring.is_finished:
            self._measuring = in_background(self, self._measure(), group="probe")

    def action_leave(self) -> None:
        """Closing ends the job, if it runs."""
        self.dismiss(None)

    def _tell(self, news: Progress) -> None:
        count = f" {news['done']}/{news['total']}" if news["total"] > 1 else ""
        self._say(f"{news['phase']}{count}")

    async def _measure(self) -> None:
        self._say("starting")
        try:
            result = await run_job("probe", self._tell, recipe=self._recipe.model_dump(mode="json"))
        except InputError as error:
            self._say(f"✖ {error.message}. {error.hint}".strip())
        except (JobBroken, OSError) as error:
            self._say(f"✖ {error}")
        else:
            self.dismiss(Probe.of(result))

    def _say(self, text: str) -> None:
        self.query_one("#probe-words", Static).update(text)
