"""The keys in the order in which help shows them: those that mean something here and now come first."""

from __future__ import annotations

from collections.abc import Mapping

from tinv_tui.app.keys.dialogs import DIALOGS
from tinv_tui.app.keys.key import Key
from tinv_tui.app.keys.table import ALL_KEYS, KEYS
from tinv_tui.app.modes import MODES, ModeName

Group = tuple[str, list[Key]]
"""A heading, and the keys under it."""


def groups_on(mode: ModeName, pane: str | None, titles: Mapping[str, str]) -> list[Group]:
    """Of the ``pane`` in focus, of its screen, of the whole app, then of all that is elsewhere. ``titles``: of panes."""
    labels = {m.name: m.label for m in MODES}
    here = _of_screen(mode, titles)
    first = [("In this pane", keys) for title, keys in here[1:] if pane is not None and title == titles.get(pane)]
    screen = [("On this screen", here[0][1])]
    rest = [group for group in here[1:] if pane is None or group[0] != titles.get(pane)]
    anywhere = ("Everywhere", [key for key in KEYS if key.where is None])
    others = [
        (f"{labels[m.name]}: {title}" if title else labels[m.name], keys)
        for m in MODES
        if m.name != mode
        for title, keys in _of_screen(m.name, titles)
    ]
    dialogs = [(dialog.title, list(dialog.keys)) for dialog in DIALOGS]
    return [group for group in (*first, *screen, anywhere, *rest, *others, *dialogs) if group[1]]


def groups_in(dialog: str) -> list[Group]:
    """Of a dialog, and of what it holds."""
    found = next(d for d in DIALOGS if d.name == dialog)
    own = {key.keys for key in found.keys}
    held = [key for key in ALL_KEYS if key.group in found.holds and key.keys not in own]
    return [("Keys", [*found.keys, *held])]


def _of_screen(mode: ModeName, titles: Mapping[str, str]) -> list[Group]:
    """Those of the whole screen under no heading, then those of each of its panes."""
    keys = [key for key in KEYS if key.where is not None and mode in key.where]
    panes = dict.fromkeys(key.pane for key in keys if key.pane is not None)
    of_panes = [(titles.get(pane, pane), [key for key in keys if key.pane == pane]) for pane in panes]
    return [("", [key for key in keys if key.pane is None]), *of_panes]
