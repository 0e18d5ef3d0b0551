"""The app: its screens over one run and one machine. It only looks; what trains is a process of its own."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import BindingType
from textual.driver import Driver
from textual.filter import Monochrome
from textual.screen import Screen

from tinv_tui.app.background import LEFT, in_background, kept_story
from tinv_tui.app.closer_look import looker
from tinv_tui.app.graphics import Pictures, draws_kitty, draws_sixel
from tinv_tui.app.greys import Greys
from tinv_tui.app.keys import bindings, bindings_of
from tinv_tui.app.link import PICTURES, SLOW_LINK, between_looks, is_slow
from tinv_tui.app.look import Looks
from tinv_tui.app.machine import Machine, MachineNow
from tinv_tui.app.messages import MachineLooked, RunLooked, WorkFailed
from tinv_tui.app.modes import MODES
from tinv_tui.app.opening import first_shown, has_terminal
from tinv_tui.app.run_control import RunControl
from tinv_tui.app.screens.mode_screen import ModeScreen
from tinv_tui.app.screens.workbench import Workbench
from tinv_tui.app.thin import known_rows, thinned
from tinv_tui.app.typing_order import KeysInOrder
from tinv_tui.app.widgets.picture import Picture, sixels_after
from tinv_tui.paths import shipped

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.command import Provider
    from textual.filter import LineFilter

    from tinv_tui.app.widgets.recipe_form import RecipeForm
    from tinv_tui.recipe import Recipe
    from tinv_tui.runs.folder import RunFolder

_STYLES = ("base", "forms", *(mode.module for mode in MODES), "dialogs", "narrow")
_LIVE_LOOK_SECONDS, _IDLE_LOOK_SECONDS = 2.0, 12.0
_SETTLING_LOOKS = 3
"""What the processor did before these was the app's own start: the next one is soon."""
_HANG_UP_SECONDS = 5.0
_GREYS = Greys()  # one, as drawn rows are kept by the filter they went through


def _commands() -> type[Provider]:
    from tinv_tui.app.commands import KeyCommands

    return KeyCommands


class TinvApp(KeysInOrder[None]):
    TITLE = "tinv-tui"
    CSS_PATH = [shipped("styles") / f"{name}.tcss" for name in _STYLES]
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(None),
        *bindings_of("focus"),
    ]
    COMMANDS = {_commands}
    COMMAND_PALETTE_BINDING = "ctrl+p"
    MODES: ClassVar[dict[str, Callable[[], Screen[None]]]] = {mode.name: mode.make for mode in MODES}  # type: ignore[assignment]
    DEFAULT_MODE = "train"

    def __init__(
        self,
        recipe: Recipe | None = None,
        run: RunFolder | None = None,
        *,
        start: bool = False,
        slow_link: bool = False,
        pictures: Pictures | None = None,
    ) -> None:
        super().__init__()
        self.set_class(slow_link, SLOW_LINK)
        self.look = Looks(self, pictures)
        self._recipe, self._run, self._start = recipe, run, start
        self.control = RunControl(self)
        self.machine_now: MachineNow | None = None
        self._machine = Machine()

    # ----- life

    def on_load(self) -> None:
        # From Python 3.12 on Textual has tasks begin as they are made: the fields of the first screen would then ask for
        # the screen before it is there. They begin in turn, in every Python as in the tests.
        asyncio.get_running_loop().set_task_factory(None)

    def on_mount(self) -> None:
        # Textual has no handlers: it would leave the screen as it is, or spin where the terminal is gone.
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.exit)
        signal.signal(signal.SIGHUP, lambda _number, _frame: self._hang_up(loop))
        self.look.put_on()

    def _hang_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Leave now that the terminal is gone.

        Textual's thread that writes to it may be dead, and then whatever writes next, leaving too, waits for it forever:
        not even the loop may run any more. There is nothing to lose: a viewer owns nothing.
        """
        last_resort = threading.Timer(_HANG_UP_SECONDS, os._exit, (0,))
        last_resort.daemon = True
        last_resort.start()
        loop.call_soon_threadsafe(self.exit)

    def on_ready(self) -> None:
        """The first frame is on the screen. What follows is the screen's to do: keys are taken meanwhile."""
        self.screen.call_later(self._furnish)

    async def _furnish(self) -> None:
        """All that need not be in the first frame."""
        in_background(self, self._look_at_machine(), group="machine", exclusive=True)
        await self.look.tell_problems()
        recipe, run = await asyncio.to_thread(first_shown, self._recipe, self._run, start=self._start)
        workbench = next(iter(self.get_screen_stack("train")), None)  # a quick key may have brought another in sight
        if not isinstance(workbench, Workbench):
            return
        await workbench.form_pane.furnish(recipe)
        if self._recipe is None and self._run is None:
            await workbench.form_pane.restore()
        if run is not None:
            self.control.attach(run)
        if self._start:
            workbench.form_pane.start_now()
        elif not workbench.is_current:
            return
        elif run is not None:
            workbench.focus_run()
        else:
            workbench.form.control("embedding.name").focus()
            if self._recipe is None:
                await self._welcome(workbench)

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if renderable is None or self._batch_count or not self._running or self._closed:
            super()._display(screen, renderable)
            return
        has_sixels = self._driver is not None and draws_sixel(self)
        known = known_rows(self._driver)
        if has_sixels:
            known.forget()  # they lie over rows that are the same with them and without
        else:
            renderable = known.changed(renderable, self.size, self.console)
        super()._display(screen, renderable)
        if self._driver is not None and has_sixels:
            self._driver.write(sixels_after(screen, renderable))

    def get_driver_class(self) -> type[Driver]:
        return thinned(super().get_driver_class())

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {"foreground-disabled": "ansi_bright_black"}  # the themes of the terminal's own colours lack it

    def get_line_filters(self) -> Sequence[LineFilter]:
        own = (_GREYS if isinstance(each, Monochrome) else each for each in super().get_line_filters())
        return [*own, *self.look.filters]

    async def _welcome(self, workbench: Workbench) -> None:
        """Where nothing is there yet, show the ways on; not to whom has already found one."""
        from tinv_tui.app.first_run import is_first_run, show_ways_on

        name = workbench.form.control("embedding.name")
        if (
            await asyncio.to_thread(is_first_run)
            and self.screen.focused is name
            and not workbench.form.texts["embedding.name"]
        ):
            asking = show_ways_on(self, workbench.form_pane)
            in_background(self, asking, group="welcome", exclusive=True)

    async def _look_at_machine(self) -> None:
        for number in itertools.count(1):
            status = self.control.now.status if self.control.now is not None else None
            pids = (status.pid,) if status is not None and status.pid else ()
            self.machine_now = await asyncio.to_thread(self._machine.look, pids)
            self.post_message(MachineLooked(self.machine_now))
            if not self.is_headless and not (_has_server() if self.is_web else has_terminal()):
                self._hang_up(asyncio.get_running_loop())
            is_soon = self.control.is_live or number <= _SETTLING_LOOKS
            await asyncio.sleep(between_looks(self, _LIVE_LOOK_SECONDS if is_soon else _IDLE_LOOK_SECONDS))

    def _handle_exception(self, error: Exception) -> None:
        if not (self._exit and isinstance(error, LEFT)):  # who leaves sees no traceback of what came in meanwhile
            super()._handle_exception(error)

    def on_unmount(self) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self._machine.close()
        looker.end()

    # ----- what comes in

    @property
    def workbench(self) -> Workbench | None:
        """The train screen, if it is the one in sight (perhaps below a dialog)."""
        return next((screen for screen in reversed(self._screens_in_sight) if isinstance(screen, Workbench)), None)

    @property
    def _screens_in_sight(self) -> list[Screen[Any]]:
        """None while the app ends: a screen's widgets go first, and what is looked at goes on coming in meanwhile."""
        return list(self.screen_stack) if self.is_running else []

    def on_run_looked(self, event: RunLooked) -> None:
        if self.workbench is not None:
            self.workbench.show_run(event.now)

    def on_work_failed(self, event: WorkFailed) -> None:
        self.control.note(kept_story(event.error), "bad")

    def on_machine_looked(self, event: MachineLooked) -> None:
        for screen in self._screens_in_sight:
            if isinstance(screen, ModeScreen):
                screen.show_machine(event.now)

    # ----- actions

    async def action_quit(self) -> None:
        """Leave. Where that ends something it is asked first; a second time is answer enough."""
        from tinv_tui.app.screens.confirm import ConfirmScreen

        screens = (screen for stack in self._screen_stacks.values() for screen in stack)
        ended = next(
            (told for screen in screens if isinstance(screen, ModeScreen) and (told := screen.leaving_ends)), None
        )
        if ended is None or self.screen.id == "leaving":
            self.exit()
            return

        def answered(answer: str | None) -> None:
            if answer == "leave":
                self.exit()

        self.push_screen(ConfirmScreen(*ended, [("leave", "Leave")], id="leaving"), answered)

    def action_show(self, mode: str) -> None:
        if isinstance(self.screen, ModeScreen):
            self.switch_mode(mode)
            self.call_after_refresh(self._show_now)

    def show_form(self) -> None:
        """Go to the train screen, and there to the form."""
        self.action_show("train")
        if self.workbench is not None:
            self.workbench.open_form()

    def _show_now(self) -> None:
        if self.workbench is not None:
            self.workbench.show_run(self.control.now)

    @property
    def train_form(self) -> RecipeForm | None:
        """The form of the train screen, in sight or not; None before it is furnished."""
        screen = next(iter(self.get_screen_stack("train")), None)
        return screen.form if isinstance(screen, Workbench) and screen.form_pane.is_furnished else None

    @property
    def train_texts(self) -> dict[str, str]:
        """What the fields of the train screen say; nothing before they are there."""
        return self.train_form.texts if self.train_form is not None else {}

    def open_run(self, folder: RunFolder) -> None:
        """Show a run on the train screen."""
        self.control.attach(folder)
        self.switch_mode("train")
        if self.workbench is not None:
            self.workbench.focus_run()

    def preprocess(self, folder: str) -> None:
        """Go to Preprocess with this folder as its source; nothing is written before it is started there."""
        from tinv_tui.app.screens.preprocess import PreprocessScreen

        self.switch_mode("preprocess")
        if isinstance(self.screen, PreprocessScreen):
            self.screen.take_source(folder)

    def action_models(self) -> None:
        """Show the base models; the one that is taken goes into the form in sight, or where it has none that of Train."""
        from tinv_tui.app.screens.models import ModelsScreen

        screen = self.screen
        if not isinstance(screen, ModeScreen):
            return
        form = screen.form_with_model or self.train_form
        if form is None:
            return

        def taken(value: str | None) -> None:
            if value is not None:
                form.put("model.path", value)
                if form is self.train_form:
                    self.show_form()

        self.push_screen(ModelsScreen(form.texts["model.path"].strip()), taken)

    def action_pictures(self) -> None:
        """Draw the screen anew; over a slow link with the pictures in sight, or without them.

        Sixels and kitty graphics are sent again: tmux drops what comes while another of its windows is in sight.
        """
        known_rows(self._driver).forget()
        self.screen.refresh()
        if is_slow(self):
            self.toggle_class(PICTURES)
        for picture in self.screen.query(Picture):
            picture.settle(anew=draws_sixel(self) or draws_kitty(self))

    def action_help(self) -> None:
        if isinstance(self.screen, ModeScreen):
            self.screen.action_help()


_PARENT = os.getppid()


def _has_server() -> bool:
    """Whether what serves the app to a browser is still there: it is the app's parent."""
    return os.getppid() == _PARENT
