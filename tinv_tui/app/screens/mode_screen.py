"""What the screens of the top bar share: the bar, the line of keys, their sizes, and help on what has the focus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.geometry import Size
from textual.reactive import Reactive
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Static

from tinv_tui.app.modes import ModeName
from tinv_tui.app.restyling import concerned
from tinv_tui.app.roles import ROLES
from tinv_tui.app.screens.help import help_on_field, help_on_pane
from tinv_tui.app.screens.least_size import TINY, HiddenWhereTiny, is_tiny, too_small
from tinv_tui.app.widgets.gpu_pane import meter
from tinv_tui.app.widgets.key_line import KeyLine
from tinv_tui.app.widgets.pane import Pane
from tinv_tui.app.widgets.top_bar import TopBar

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp
    from tinv_tui.app.form_values import Change
    from tinv_tui.app.machine import MachineNow
    from tinv_tui.app.widgets.form import Form

TABS_WIDTH, TABS_HEIGHT = 100, 30
ROOMY_HEIGHT = 36


class ModeScreen(HiddenWhereTiny):
    """A screen of the top bar. Its class in the stylesheet is ``-tabs`` below 100 columns or 30 rows, ``-short`` below 36
    rows, and ``-tiny`` where it shows only one polite line.

    A screen composes its own part in :meth:`compose_body`, and gives its keys as ``BINDINGS = bindings(its name)``.
    """

    app: TinvApp
    AUTO_FOCUS: ClassVar[str | None] = None
    COMPONENT_CLASSES: ClassVar[set[str]] = set(ROLES)
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    """As in :class:`Dialog`."""

    def __init__(self, mode: ModeName) -> None:
        super().__init__(id=mode)
        self.mode_name: ModeName = mode
        # It comes to the newest stylesheet: otherwise Textual would read all of it anew, and style what is there once more.
        self._css_update_count = self.app._css_update_count
        self._was_shown = False

    def compose(self) -> ComposeResult:
        self.fit(self.app.size, update=False)
        yield TopBar(self.mode_name)
        yield KeyLine(self.mode_name)
        yield from self.compose_body()
        yield Static("", id="too-small", markup=False)

    def compose_body(self) -> ComposeResult:
        """What lies between the top bar and the line of keys."""
        yield from ()

    def _compositor_refresh(self) -> None:
        """Draw nothing within a batch: Textual would draw what is new, all of it at the start, and throw it away.

        It stays to be drawn when the batch is over. (Textual's method: without this the first frame took 0.1 s longer.)
        """
        if self.app._batch_count:
            self._repaint_required = True
        else:
            super()._compositor_refresh()

    @property
    def leaving_ends(self) -> tuple[str, str] | None:
        """What of this screen does not go on without the app: a question and what it comes to; None for nothing."""
        return None

    @property
    def field_in_focus(self) -> str | None:
        """The setting whose control has the focus, where the screen has a form."""
        return None

    @property
    def form_with_model(self) -> Form[Any] | None:
        """The screen's form, where it has one that asks for a base model and is there already."""
        return None

    def show_machine(self, machine: MachineNow) -> None:
        for bar in self.query(TopBar):  # none where the app is being left, and its screens taken down
            bar.tell(meter(machine, self.app.control.now))

    def show_keys(self) -> None:
        """Say which keys mean something now."""
        now = self.app.control.now
        live = now is not None and now.is_live
        typing = isinstance(self.focused, Input)
        paused = now is not None and now.state == "paused"
        self.query_one(KeyLine).tell(typing=typing, live=live, paused=paused, pane=self.pane_in_focus())

    def pane_in_focus(self) -> str | None:
        if self.focused is None:
            return None
        return next((node.id for node in self.focused.ancestors_with_self if isinstance(node, Pane)), None)

    @on(events.Mount)
    def _mounted(self) -> None:
        self.show_keys()

    @on(events.ScreenResume)
    def _resumed(self, event: events.ScreenResume) -> None:
        event.refresh_styles &= self._was_shown  # at first all is styled just now
        self._was_shown = True
        self.show_keys()
        if self.app.machine_now is not None:
            self.show_machine(self.app.machine_now)

    @on(events.ScreenSuspend)
    def _covered(self) -> None:
        """What was said over the screen would lie over the dialog too; the log keeps it."""
        if isinstance(self.app.screen, ModalScreen):
            self.app.clear_notifications()

    @on(events.Resize)
    def _say_what_is_needed(self, event: events.Resize) -> None:
        if is_tiny(event.size):
            self.query_one("#too-small", Static).update(too_small(event.size))

    def fit(self, size: Size, *, update: bool = True) -> None:
        """Wear the classes of a terminal of this size."""
        width, height = size
        tabs = width < TABS_WIDTH or height < TABS_HEIGHT
        self.wear({TINY: is_tiny(size), "-tabs": tabs, "-short": height < ROOMY_HEIGHT}, update=update)

    def wear(self, classes: Mapping[str, bool], *, update: bool = True) -> None:
        """Take on and off classes of the screen, and style what they concern anew: all that is on it would be slow."""
        changed = {name for name, worn in classes.items() if self.has_class(name) != worn}
        for name in changed:
            self.set_class(classes[name], name, update=False)
        if changed and update:
            self.app.stylesheet.update_nodes(concerned(self, changed, self.app.stylesheet))

    @on(events.DescendantFocus)
    def _focus_moved(self) -> None:
        here = self.pane_in_focus()
        for pane in self.query(Pane):
            if pane.has_class("-here") != (pane.id == here):
                pane.set_class(pane.id == here, "-here", update=False)
                self.app.stylesheet.update_nodes([pane])  # its frame alone, nothing that is in it
        self.show_keys()

    @property
    def _form_here(self) -> Form[Any] | None:
        return cast("Form[Any] | None", next(iter(self.query(".form")), None))  # none before it is furnished

    def action_undo(self) -> None:
        if self._form_here is not None:
            self._say_edit("undone", self._form_here.undo())

    def action_redo(self) -> None:
        if self._form_here is not None:
            self._say_edit("done again", self._form_here.redo())

    def _say_edit(self, what: str, changed: Sequence[Change]) -> None:
        if not changed:
            self.app.bell()
            return
        first = changed[0]
        more = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
        self.app.control.note(f"{what}: {first.label} {first.old} → {first.new}{more}")

    def action_help(self) -> None:
        key = self.field_in_focus
        self.app.push_screen(help_on_field(key) if key else help_on_pane(self.pane_in_focus()))
