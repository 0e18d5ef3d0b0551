"""What can be done, by key, with the run that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinv_tui.app.background import in_background
from tinv_tui.app.compare_runs import compare_with_last
from tinv_tui.app.keys import name_of
from tinv_tui.app.modes import ModeName
from tinv_tui.app.screens.confirm import CANCEL, ConfirmScreen
from tinv_tui.app.screens.mode_screen import ModeScreen

if TYPE_CHECKING:
    from tinv_tui.app.watcher import RunNow
    from tinv_tui.runs.folder import RunFolder


class SteeringScreen(ModeScreen):
    """A screen that shows a run, and tells its worker what to do."""

    def __init__(self, mode: ModeName) -> None:
        super().__init__(mode)
        self._asked_to_stop: RunFolder | None = None

    def show_run(self, now: RunNow | None) -> None:
        """Show the run as it is now; None where there is none."""
        if now is None or not now.has_worker:
            self._asked_to_stop = None

    def action_pause(self) -> None:
        now = self.app.control.now
        if now is not None and now.is_live:
            self.app.control.tell("unpause" if now.state == "paused" else "pause")

    def action_release(self) -> None:
        now = self.app.control.now
        if now is None or not now.has_worker:
            return
        question = f"Pause {now.name} and give its memory back?"
        explanation = (
            f"Its worker ends after this step; {name_of('run.pause')} starts another, which goes on as it would have."
        )

        run = self.app.control.run

        def answered(answer: str | None) -> None:
            if answer == "release":
                self.app.control.tell("pause", to=run, release=True)

        self.app.push_screen(ConfirmScreen(question, explanation, [("release", "Give it back")]), answered)

    def action_change(self) -> None:
        from tinv_tui.app.change_run import pick_and_change

        if self.app.control.now is not None and self._can_be_told():
            asking = pick_and_change(self.app, self.app.control.now)
            in_background(self.app, asking, group="change", exclusive=True)

    def action_preview(self) -> None:
        if self._can_be_told():
            self.app.control.tell("preview")

    def action_save(self) -> None:
        if self._can_be_told():
            self.app.control.tell("save")

    def _can_be_told(self) -> bool:
        """Whether the run takes commands; where it would once it goes on, that is said."""
        now = self.app.control.now
        if now is None or not now.is_live:
            return False
        if not now.has_worker:
            said = f"{now.name} has given its memory back and takes no commands: {name_of('run.pause')} goes on"
            self.app.control.note(said, "warning")
        return now.has_worker

    def action_use(self) -> None:
        from tinv_tui.app.use_copy import pick_and_use

        if self.app.control.now is not None:
            asking = pick_and_use(self.app, self.app.control.now.folder)
            in_background(self.app, asking, group="use", exclusive=True)

    async def action_compare_with_last(self) -> None:
        now = self.app.control.now
        await compare_with_last(self.app, now.folder if now is not None else None)

    def action_stop(self) -> None:
        now = self.app.control.now
        if now is None or not self._can_be_told():
            return
        question = f"Stop {now.name} at step {now.view.step}?"
        explanation = "Either way its checkpoint is kept and the run can be resumed."
        answers = [("stop-save", "Stop and save the embedding"), ("stop-only", "Stop without saving it")]
        if now.state == "not-responding" or now.folder == self._asked_to_stop:
            explanation = "It has been asked and is still there, or gives no sign of life. Its checkpoint is kept."
            answers += [("terminate", "End its process (TERM)"), ("kill", "Kill it, with all its children")]

        run = self.app.control.run

        def answered(answer: str | None) -> None:
            if answer in ("terminate", "kill"):
                self.app.control.end(now.folder, kill=answer == "kill")
            elif answer not in (None, CANCEL):
                self._asked_to_stop = now.folder
                self.app.control.tell("stop", to=run, save=answer == "stop-save")

        self.app.push_screen(ConfirmScreen(question, explanation, answers), answered)
